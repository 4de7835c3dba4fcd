import { open, readFile, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import { systemClock } from '#core/clock';
import { type StepEnvironment, stepEnvironment } from '#platform/config';
import { joinFiles, predictFile } from '#serving';
import { armSchema } from '#serving/contract';
import { metricLine, progressLine } from '../../worker/host-protocol.ts';
import { UsageError } from '../failure.ts';

const paramsSchema = z
  .object({
    keep: z.array(z.string()).optional(),
    shard: z.coerce.number().int().min(0).default(0),
    shards: z.coerce.number().int().min(1).max(10_000).default(1),
  })
  .refine(({ shard, shards }) => shard < shards, 'shard must be under shards');
const filesSchema = z.object({ blobs: z.array(z.object({ path: z.string() })) });
const modelSchema = armSchema.and(filesSchema);

/** `kedge predict-step`: what `kedge predict` does, as a step of a pipeline. Reads all it needs from the step. */
export function predictStepCommand(program: Command): void {
  program
    .command('predict-step', { hidden: true })
    .description('as the command of a pipeline step: predict the input `rows` with the input `model`')
    .option('--join', 'put the files of the input `parts` together instead')
    .action(async (options: { readonly join?: boolean }) => {
      const step = stepEnvironment();
      if (!step) throw new UsageError('kedge predict-step is the command of a pipeline step; see kedge predict');
      const [output, ...others] = Object.values(step.outputs);
      if (output === undefined || others.length > 0) throw new UsageError('expected a step with one output');
      if (!output.endsWith('.parquet')) throw new UsageError('expected an output whose name ends in .parquet');
      const result = options.join ? await join(step, output) : await predict(step, output);
      tell(metricLine('rows', result.rows));
      await writeFile(step.result, JSON.stringify(result));
    });
}

async function predict(step: StepEnvironment, output: string) {
  const { blobs, ...arm } = modelSchema.parse(await readJson(inputOf(step, 'model')));
  const params = paramsSchema.safeParse(await readJson(step.params));
  if (!params.success) throw new UsageError(`the step's params: ${z.prettifyError(params.error)}`);
  const { keep, shard: index, shards: of } = params.data;
  const { rows } = await predictFile({
    ...{ arm, model: blobs[0]?.path ?? '', output, keep, shard: { index, of }, clock: systemClock },
    input: await filesOf(inputOf(step, 'rows')),
    onProgress: ({ rows: n, total }) => tell(progressLine({ n, of: total, text: 'rows' })),
  });
  return { rows, revision: arm.revision };
}

async function join(step: StepEnvironment, output: string) {
  return { rows: await joinFiles(await filesOf(inputOf(step, 'parts')), output) };
}

/** Parquet files: the input itself, or those that it lists, as a dataset and the output of a divided step do. */
async function filesOf(path: string): Promise<readonly string[]> {
  const file = await open(path);
  const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0).finally(() => file.close());
  if (buffer.toString('latin1') === 'PAR1') return [path];
  const listed = filesSchema.safeParse(await readJson(path).catch(() => undefined));
  if (!listed.success) throw new UsageError('the input is neither a Parquet file nor a list of them');
  return listed.data.blobs.map((blob) => blob.path);
}

function inputOf({ inputs }: StepEnvironment, name: string): string {
  const path = inputs[name.toUpperCase()];
  if (path === undefined) throw new UsageError(`expected a step with an input '${name}'`);
  return path;
}

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(path, 'utf8'));
}

/** On the standard output, where the worker reads it. */
function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}
