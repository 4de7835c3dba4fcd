import type { Command } from 'commander';
import type { Kedge } from '#client';
import { formatDuration } from '#core/units';
import { UsageError } from '../failure.ts';
import { formatTable } from '../table.ts';
import { compareRunsCommand } from './compare-runs.ts';
import { type CommandOptions, connected, printJson, withKedge } from './connected.ts';
import { recordCommands } from './records.ts';
import { endOf, paramsFor, startCommand, waitFor } from './runs.ts';

type RunView = Awaited<ReturnType<Kedge['pipelines']['cancelPipelineRun']>>;

/** `kedge pipelines`, `kedge runs` and `kedge cache`. */
export function pipelineCommands(program: Command): void {
  const pipelines = program.command('pipelines').description('list, describe and start pipelines');
  listPipelines(pipelines);
  getPipeline(pipelines);
  startCommand(pipelines.command('start <pipeline>'));
  const runs = program.command('runs').description('list, describe and control pipeline runs');
  listRuns(runs);
  getRun(runs);
  watchRun(runs);
  cancelRun(runs);
  rerun(runs);
  recordCommands(program, runs);
  compareRunsCommand(runs);
  const simple = { pause: 'pausePipelineRun', unpause: 'unpausePipelineRun', resume: 'resumePipelineRun' } as const;
  const words = {
    pause: 'let nothing more of a run start; what runs goes on',
    unpause: 'let a paused run go on',
    resume: 'start a run that does what is left of one that failed or was cancelled',
  };
  for (const [name, operation] of Object.entries(simple) as [keyof typeof simple, (typeof simple)['pause']][]) {
    connected(runs.command(`${name} <run>`).description(words[name])).action(
      withKedge(async (kedge, [run = ''], options) =>
        tell(await kedge.pipelines[operation]({ params: { run } }), options),
      ),
    );
  }
  decideCommand(runs, 'approve');
  decideCommand(runs, 'reject');
  const cache = program.command('cache').description('why steps ran or were taken from the cache, and whether rightly');
  explainCommand(cache);
  verifyCommand(cache);
}

function listPipelines(pipelines: Command): void {
  connected(pipelines.command('list', { isDefault: true }).description('list pipelines with their last run')).action(
    withKedge(async (kedge, _args, options) => {
      const { items } = await kedge.resources.listResources({ query: { kind: 'pipeline' } });
      if (options.json) return printJson(items);
      const rows = await Promise.all(
        items.map(async ({ name, generation, spec }) => {
          const last = (await kedge.pipelines.listPipelineRuns({ query: { pipeline: name, limit: 1 } })).items[0];
          const ended = last?.finishedAt ? new Date(last.finishedAt).toISOString() : null;
          return [name, generation, (spec['steps'] as unknown[]).length, last?.status ?? null, ended];
        }),
      );
      process.stdout.write(`${formatTable(['pipeline', 'generation', 'steps', 'last', 'ended'], rows)}\n`);
    }),
  );
}

interface DeclaredStep {
  readonly name: string;
  readonly needs: readonly string[];
  readonly inputs: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly function?: { readonly module: string; readonly export: string };
  readonly pipeline?: string;
}

function getPipeline(pipelines: Command): void {
  connected(pipelines.command('get <pipeline>').description('describe a pipeline: parameters and steps')).action(
    withKedge(async (kedge, [name = ''], options) => {
      const resource = await kedge.resources.getResource({ params: { kind: 'pipeline', name } });
      if (options.json) return printJson(resource);
      const params = resource.spec['params'] as Record<string, { readonly type: string; readonly default?: unknown }>;
      const declared = Object.entries(params).map(([param, { type, default: value }]) => [
        ...[param, type, value === undefined ? 'required' : String(value)],
      ]);
      if (declared.length > 0) process.stdout.write(`${formatTable(['parameter', 'type', 'default'], declared)}\n\n`);
      const steps = (resource.spec['steps'] as DeclaredStep[]).map((step) => [
        step.name,
        doesOf(step),
        [...step.needs, ...Object.values(step.inputs)].join(', '),
      ]);
      process.stdout.write(`${formatTable(['step', 'does', 'needs'], steps)}\n`);
    }),
  );
}

function doesOf({ function: called, command, pipeline }: DeclaredStep): string {
  if (called) return `${called.module}#${called.export}`;
  return pipeline === undefined ? (command?.join(' ') ?? 'waits') : `pipeline ${pipeline}`;
}

function listRuns(runs: Command): void {
  const words = 'list pipeline runs, newest first';
  connected(runs.command('list [pipeline]', { isDefault: true }).description(words))
    .option('--status <status>', 'only those in this status')
    .option('--within <run>', 'only those that are steps of this run')
    .action(
      withKedge(async (kedge, [pipeline], options) => {
        const within = options['within'] as string | undefined;
        const status = options['status'] as RunView['status'] | undefined;
        const filter = {
          ...(pipeline ? { pipeline } : {}),
          ...(status ? { status } : {}),
          ...(within ? { within } : {}),
        };
        const { items } = await kedge.pipelines.listPipelineRuns({ query: { limit: 50, ...filter } });
        if (options.json) return printJson(items);
        const rows = asTree(items).map(({ item, depth }) => {
          const name = `${'  '.repeat(depth)}${item.run}`;
          return [name, item.pipeline, wordOf(item), causeWords(item), item.reason];
        });
        process.stdout.write(`${formatTable(['run', 'pipeline', 'status', 'cause', 'reason'], rows)}\n`);
      }),
    );
}

/** The runs of a page in their order, each with those below it that are steps of it. */
function asTree(items: readonly RunView[]): { readonly item: RunView; readonly depth: number }[] {
  const listed = new Set(items.map(({ run }) => run));
  const below = (run: string, depth: number): { item: RunView; depth: number }[] =>
    items
      .filter(({ cause }) => cause.within?.run === run)
      .flatMap((item) => [{ item, depth }, ...below(item.run, depth + 1)]);
  return items
    .filter(({ cause }) => !cause.within || !listed.has(cause.within.run))
    .flatMap((item) => [{ item, depth: 0 }, ...below(item.run, 1)]);
}

function causeWords({ cause }: Pick<RunView, 'cause'>): string {
  return cause.within ? `step ${cause.within.step} of ${cause.within.run}` : cause.id;
}

function getRun(runs: Command): void {
  connected(runs.command('get <run>').description('describe a run and its steps')).action(
    withKedge(async (kedge, [run = ''], options) => {
      const detail = await kedge.pipelines.getPipelineRun({ params: { run } });
      if (options.json) return printJson(detail);
      const of = detail.origin === null ? '' : `, in place of ${detail.origin}`;
      process.stdout.write(`${detail.pipeline} ${wordOf(detail)}, started by ${causeWords(detail)}${of}\n`);
      const rows = await rowsOf(kedge, detail);
      process.stdout.write(`${formatTable(['step', 'status', 'attempts', 'took', 'on', 'reason'], rows)}\n`);
    }),
  );
}

type RunDetail = Awaited<ReturnType<Kedge['pipelines']['getPipelineRun']>>;

/** The steps of a run, and below each that is a run of its own the steps of that. */
async function rowsOf(kedge: Kedge, { steps }: RunDetail, depth = 0): Promise<(string | number | null)[][]> {
  const rows: (string | number | null)[][] = [];
  for (const step of steps) {
    const took = step.startedAt && step.finishedAt ? formatDuration(step.finishedAt - step.startedAt) : null;
    const word = step.units ? unitWords(step.units) : step.status;
    const does = step.child === undefined ? String(step.attempts.length) : step.child;
    rows.push([`${'  '.repeat(depth)}${step.step}`, word, does, took, placeWords(step), step.reason]);
    if (step.child === undefined) continue;
    const child = await kedge.pipelines.getPipelineRun({ params: { run: step.child } });
    rows.push(...(await rowsOf(kedge, child, depth + 1)));
  }
  return rows;
}

/** What the last attempt of a step ran on: its worker, or the job of a cluster. */
function placeWords({ attempts }: RunDetail['steps'][number]): string | null {
  const last = attempts.at(-1);
  if (!last?.place || last.place.executor === 'process') return last?.worker ?? null;
  return `${last.place.executor} ${last.place.job ?? '(not handed in)'}`;
}

function watchRun(runs: Command): void {
  connected(
    runs.command('watch <run>').description('tell each step as it ends; exit code 1 when the run failed'),
  ).action(withKedge((kedge, [run = ''], options) => waitFor(kedge, run, options.json ?? false)));
}

function cancelRun(runs: Command): void {
  connected(runs.command('cancel <run>').description('cancel a run: what waits at once, what runs is killed'))
    .option('--reason <text>', 'why')
    .action(
      withKedge(async (kedge, [run = ''], options) => {
        const reason = options['reason'];
        const body = typeof reason === 'string' ? { reason } : {};
        tell(await kedge.pipelines.cancelPipelineRun({ params: { run }, body }), options);
      }),
    );
}

function rerun(runs: Command): void {
  const words = 'start a run that does a step of another anew, and what needs it, as declared now';
  connected(runs.command('rerun <run>').description(words))
    .requiredOption('--from <step...>', 'the steps to do anew')
    .option('-p, --param <name=value...>', 'a parameter, instead of that of the run')
    .action(
      withKedge(async (kedge, [run = ''], options) => {
        const { pipeline } = await kedge.pipelines.getPipelineRun({ params: { run } });
        const params = await paramsFor(kedge, pipeline, options['param']);
        const body = { from: options['from'] as string[], params };
        tell(await kedge.pipelines.rerunPipelineRun({ params: { run }, body }), options);
      }),
    );
}

function decideCommand(runs: Command, decision: 'approve' | 'reject'): void {
  connected(runs.command(`${decision} <run> <step>`).description(`${decision} a step that waits for a person`))
    .option('--reason <text>', 'why', '')
    .action(
      withKedge(async (kedge, [run = '', step = ''], options) => {
        const body = { decision, reason: String(options['reason']) };
        tell(await kedge.pipelines.decideStep({ params: { run, step }, body }), options);
      }),
    );
}

function explainCommand(cache: Command): void {
  const words = 'tell why a step ran, or what it was taken from; of all steps without one';
  connected(cache.command('explain <run> [step]').description(words)).action(
    withKedge(async (kedge, [run = '', only], options) => {
      const { steps } = await kedge.pipelines.getPipelineRun({ params: { run } });
      const names = steps.map(({ step }) => step).filter((step) => only === undefined || step === only);
      if (names.length === 0) throw new UsageError(`run ${run} has no step '${only}'`);
      const explained = await Promise.all(
        names.map(async (step) => ({ step, ...(await kedge.pipelines.explainStepCache({ params: { run, step } })) })),
      );
      if (options.json) return printJson(explained);
      for (const { step, outcome, text, differences } of explained) {
        process.stdout.write(`${step}: ${outcome}, ${text}\n`);
        const shown = (value: unknown): string => JSON.stringify(value).slice(0, 60);
        const rows = differences.map(({ ingredient, before, now }) => [ingredient, shown(before), shown(now)]);
        if (rows.length > 0) process.stdout.write(`${formatTable(['ingredient', 'before', 'now'], rows)}\n`);
      }
    }),
  );
}

function verifyCommand(cache: Command): void {
  const words = 'do cached steps of a run again and compare what they write; exit code 1 when anything differs';
  connected(cache.command('verify <run> [step]').description(words))
    .option('--sample <count>', 'how many of the steps that were taken from the cache, unless one is named', '5')
    .action(
      withKedge(async (kedge, [run = '', step], options) => {
        const body = { steps: step === undefined ? [] : [step], sample: Number(options['sample']) };
        const started = await kedge.pipelines.verifyCache({ params: { run }, body });
        const found = await endOf(kedge, started.run);
        const wrong = found.steps.filter(({ verification }) => !verification?.equal);
        if (wrong.length > 0) process.exitCode = 1;
        if (options.json) return printJson(found);
        const rows = found.steps.map(({ step: name, status, verification }) => {
          const verdict = verification ? (verification.equal ? 'equal' : 'differs') : `not compared: ${status}`;
          return [verification?.of.step ?? name, verdict, verification?.differences.join(', ') ?? ''];
        });
        process.stdout.write(`${formatTable(['step', 'done again', 'what differs'], rows)}\n`);
        process.stdout.write(`compared by run ${found.run}: ${wrong.length} of ${found.steps.length} not equal\n`);
      }),
    );
}

/** `40 succeeded, 3 running, 57 queued`: the states of units that there are. */
function unitWords(units: Readonly<Record<string, number>>): string {
  const found = Object.entries(units).filter(([, count]) => count > 0);
  return found.length === 0 ? 'no units' : found.map(([status, count]) => `${count} ${status}`).join(', ');
}

function tell(view: RunView, options: CommandOptions): void {
  if (options.json) printJson(view);
  else process.stdout.write(`run ${view.run} ${wordOf(view)}\n`);
}

function wordOf({ status, pausedAt, admittedAt }: RunView): string {
  if (status === 'queued' && admittedAt === null) return 'waiting for others';
  return pausedAt !== null && (status === 'queued' || status === 'running') ? 'paused' : status;
}
