import type { Command } from 'commander';
import type { Kedge } from '#client';
import { sleep, systemClock } from '#core/clock';
import { formatDuration } from '#core/units';
import { LOG_PAGE_LINES_MAX } from '#pipelines/contract';
import { UsageError } from '../failure.ts';
import { connected, printJson, withKedge } from './connected.ts';

const FINAL = new Set(['succeeded', 'failed', 'cancelled']);
const POLL_MS = 300;

export function runCommands(program: Command): void {
  startCommand(program.command('run <pipeline>'));
  connected(
    program.command('logs <run> [step]').description('print the log of a run, of a step, or of a unit (fit:12)'),
  )
    .option('-f, --follow', 'go on until the step has ended')
    .action(
      withKedge(async (kedge, [run = '', step], options) => {
        const { steps } = await kedge.pipelines.getPipelineRun({ params: { run } });
        for (const name of step === undefined ? steps.map((each) => each.step) : [step]) {
          await printLog(kedge, { run, step: name }, options['follow'] === true);
        }
      }),
    );
}

/** Starts a run: `kedge run` and `kedge pipelines start`. */
export function startCommand(command: Command): void {
  connected(command.description('start a run of a pipeline'))
    .option('-p, --param <name=value...>', 'a parameter of the run')
    .option('-i, --input <name=reference...>', 'an input: dataset:flights, or run:<run>/<step>.<output>')
    .option('--priority <priority>', 'instead of that of the pipeline, -100 to 100')
    .option('--wait', 'wait until it has ended; exit code 1 when it failed')
    .action(
      withKedge(async (kedge, [pipeline = ''], options) => {
        const params = await paramsFor(kedge, pipeline, options['param']);
        const priority = options['priority'] === undefined ? {} : { priority: Number(options['priority']) };
        const inputs = inputsOf(options['input']);
        const body = { params, inputs, ...priority };
        const { run } = await kedge.pipelines.startPipelineRun({ params: { pipeline }, body });
        if (options['wait']) return waitFor(kedge, run, options.json ?? false);
        if (options.json) return printJson({ run });
        process.stdout.write(`started ${run}\n`);
      }),
    );
}

/** Parameters from the command line, as the pipeline declares them. */
export async function paramsFor(
  kedge: Kedge,
  pipeline: string,
  pairs: unknown,
): Promise<Record<string, string | number | boolean>> {
  const resource = await kedge.resources.getResource({ params: { kind: 'pipeline', name: pipeline } });
  const declared = resource.spec['params'] as Readonly<Record<string, { readonly type: string }>>;
  return paramsOf((pairs as string[] | undefined) ?? [], declared);
}

/** Inputs from the command line: references by name. */
function inputsOf(pairs: unknown): Record<string, string> {
  return Object.fromEntries(
    ((pairs as string[] | undefined) ?? []).map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UsageError(`--input ${pair}: expected name=reference, as in rows=dataset:flights`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** Parameters as the pipeline declares them; a text that does not fit is left for the control plane to refuse. */
export function paramsOf(
  pairs: readonly string[],
  declared: Readonly<Record<string, { readonly type: string }>>,
): Record<string, string | number | boolean> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UsageError(`--param ${pair}: expected name=value`);
      const [name, text] = [pair.slice(0, at), pair.slice(at + 1)];
      const type = declared[name]?.type;
      if ((type === 'number' || type === 'integer') && text.trim() !== '' && Number.isFinite(Number(text))) {
        return [name, Number(text)];
      }
      if (type === 'boolean' && (text === 'true' || text === 'false')) return [name, text === 'true'];
      return [name, text];
    }),
  );
}

type RunDetail = Awaited<ReturnType<Kedge['pipelines']['getPipelineRun']>>;

/** Waits until a run has ended; `seen` sees it each time that it is asked for. */
export async function endOf(kedge: Kedge, run: string, seen: (detail: RunDetail) => void = () => {}) {
  for (;;) {
    const detail = await kedge.pipelines.getPipelineRun({ params: { run } });
    seen(detail);
    if (FINAL.has(detail.status)) return detail;
    await pause();
  }
}

export async function waitFor(kedge: Kedge, run: string, json: boolean): Promise<void> {
  const told = new Map<string, string>();
  const detail = await endOf(kedge, run, ({ steps }) => {
    for (const step of steps) {
      if (told.get(step.step) === step.status) continue;
      told.set(step.step, step.status);
      const took = step.startedAt && step.finishedAt ? ` in ${formatDuration(step.finishedAt - step.startedAt)}` : '';
      if (!json) process.stdout.write(`${step.step}: ${step.status}${took}${step.reason ? `, ${step.reason}` : ''}\n`);
    }
  });
  if (json) printJson(detail);
  else process.stdout.write(`run ${run} ${detail.status}${detail.reason ? `: ${detail.reason}` : ''}\n`);
  process.exitCode = detail.status === 'succeeded' ? 0 : 1;
}

async function printLog(kedge: Kedge, of: { run: string; step: string }, follow: boolean): Promise<void> {
  for (let after = 0; ; ) {
    const page = await kedge.pipelines.readStepLog({ params: of, query: { after, limit: LOG_PAGE_LINES_MAX } });
    // In one piece: what reads it may be slow, and each write waits for it.
    if (page.items.length > 0) process.stdout.write(page.items.map(({ text }) => `${of.step} | ${text}\n`).join(''));
    after = page.next;
    if (page.done || (!page.more && !follow)) return;
    if (!page.more) await pause();
  }
}

function pause(): Promise<void> {
  return sleep(systemClock, POLL_MS);
}
