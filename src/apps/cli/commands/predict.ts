import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import type { Kedge } from '#client';
import { systemClock } from '#core/clock';
import { digester } from '#core/hash';
import { predictFile } from '#serving';
import { UsageError } from '../failure.ts';
import { type CommandOptions, connected, printJson, withKedge } from './connected.ts';
import { contentOf } from './content.ts';
import { versionNamed } from './version-name.ts';

type Work = Parameters<typeof predictFile>[0];
type Progress = Awaited<ReturnType<typeof predictFile>>;

/** `kedge predict`: a registered version over a file, in this process. */
export function predictCommand(program: Command): void {
  connected(program.command('predict').description('predict every row of a file with a registered version'))
    .requiredOption('--model <version>', 'such as delays@champion or delays@3')
    .requiredOption('--in <file>', 'Parquet, CSV or JSON lines')
    .requiredOption('--out <file>', 'Parquet, CSV or JSON lines; a start after an end goes on where that one stopped')
    .option('--keep <columns>', 'columns of the input that the output has, with commas between; all unless told')
    .action(
      withKedge(async (kedge, _args, options) => {
        const arm = await kedge.serving.resolveVersion({ params: await versionOf(kedge, String(options['model'])) });
        if (!('signature' in arm) || arm.tensors)
          throw new UsageError(`${arm.revision} takes tensors, not the columns of a file`);
        const folder = await mkdtemp(join(tmpdir(), 'kedge-predict-'));
        try {
          const model = join(folder, 'model.onnx');
          await download(options, arm.digest, model);
          const done = await predictFile({ ...filesOf(options), arm, model, clock: systemClock, onProgress: tell });
          const file = String(options['out']);
          if (options.json) return printJson({ ...done, revision: arm.revision, file });
          process.stdout.write(`${done.rows} rows predicted by ${arm.revision} in ${file}${resumedWords(done)}\n`);
        } finally {
          await rm(folder, { recursive: true });
        }
      }),
    );
}

function filesOf(options: CommandOptions): Pick<Work, 'input' | 'output' | 'keep'> {
  const keep = options['keep'] === undefined ? undefined : String(options['keep']).split(',');
  return { input: String(options['in']), output: String(options['out']), keep };
}

function resumedWords({ resumed }: Progress): string {
  return resumed > 0 ? `, ${resumed} of them before` : '';
}

/** The version that a text names by its number or by an alias. */
async function versionOf(kedge: Kedge, text: string): Promise<{ readonly model: string; readonly version: number }> {
  const at = text.lastIndexOf('@');
  const [model, alias] = [text.slice(0, at), text.slice(at + 1)];
  if (at < 1 || alias === '' || /^\d+$/.test(alias)) return versionNamed(text);
  const { version } = await kedge.registry.versionByAlias({ params: { model, alias } });
  return { model, version };
}

/** Throws when what came is not what the digest says. */
async function download(options: CommandOptions, digest: string, path: string): Promise<void> {
  const content = digester();
  const counted = async function* (chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const chunk of chunks) {
      content.update(chunk);
      yield chunk;
    }
  };
  await pipeline(counted(await contentOf(options, digest)), createWriteStream(path));
  if (content.digest() !== digest) throw new UsageError(`the model came as ${content.digest()}, not as ${digest}`);
}

/** On the error output, so that what a program reads stays clean. */
function tell({ rows, total, resumed, elapsedMs }: Progress): void {
  if (elapsedMs === 0 || rows === resumed) return;
  const perSecond = Math.round(((rows - resumed) / elapsedMs) * 1_000);
  process.stderr.write(`${rows} of ${total} rows, ${perSecond} a second\n`);
}
