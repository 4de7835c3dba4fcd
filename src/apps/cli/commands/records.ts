import type { Command } from 'commander';
import type { Kedge } from '#client';
import { formatBytes } from '#core/units';
import { formatTable } from '../table.ts';
import { connected, printJson, withKedge } from './connected.ts';
import { endOf } from './runs.ts';

type Record = Awaited<ReturnType<Kedge['records']['getRunRecord']>>['record'];
type Comparison = Awaited<ReturnType<Kedge['records']['compareReproduction']>>;

/** How `kedge reproduce` ends when something came out differently; 1 is for what could not be done. */
const DIFFERS = 2;
const SHORT = 19;

/** `kedge runs show` and `kedge reproduce`. */
export function recordCommands(program: Command, runs: Command): void {
  const words = 'show what a run was made from and made: code, environment, parameters, seed, digests';
  connected(runs.command('show <run>').description(words)).action(
    withKedge(async (kedge, [run = ''], options) => {
      const view = await kedge.records.getRunRecord({ params: { run } });
      if (options.json) return printJson(view);
      process.stdout.write(headOf(view.record));
      const sealed = view.digest === null ? 'the run is not over: this may still change' : `sealed as ${view.digest}`;
      process.stdout.write(`${sealed}\n\n${tableOf(view.record)}\n`);
    }),
  );
  connected(
    program
      .command('reproduce <run>')
      .description(`do a run again from its record and compare what comes out; exit code ${DIFFERS} when it differs`),
  )
    .option('--no-wait', 'only start it; look later with --compare')
    .option('--compare', 'compare a reproduction that was started before, <run>, with what it reproduces')
    .action(
      withKedge(async (kedge, [run = ''], options) => {
        const json = options.json ?? false;
        if (options['compare']) return compare(kedge, run, json);
        const started = await kedge.records.reproducePipelineRun({ params: { run } });
        if (options['wait'] === false) {
          if (json) return printJson(started);
          process.stdout.write(`started ${started.run}, look with: kedge reproduce --compare ${started.run}\n`);
          return;
        }
        await endOf(kedge, started.run);
        await compare(kedge, started.run, json);
      }),
    );
}

async function compare(kedge: Kedge, run: string, json: boolean): Promise<void> {
  const found = await kedge.records.compareReproduction({ params: { run } });
  if (json) printJson(found);
  else process.stdout.write(told(found));
  process.exitCode = found.same === null ? 1 : found.same ? 0 : DIFFERS;
}

function told({ run, of, same, steps }: Comparison): string {
  const rows = steps.flatMap((step) => {
    const { step: name, verdict, products, before, now } = step;
    if (products.length === 0) return [[name, null, verdict, before, now]];
    return products.map((product) => [
      ...[name, product.units ? `${product.output} (${product.units.join(', ')})` : product.output],
      product.same ? 'same' : verdict,
      ...[short(product.before), short(product.now)],
    ]);
  });
  const notes = steps.flatMap(({ step, environment, verdict, deterministic, reason }) => [
    ...(verdict === 'different' && environment.length > 0
      ? environment.map(
          (item) => `${step} ran elsewhere: ${item.name} was ${shown(item.before)}, is ${shown(item.now)}`,
        )
      : []),
    ...(verdict === 'varying' && !deterministic
      ? [`${step} declares deterministic: false: what it makes may differ`]
      : []),
    ...(verdict === 'different' && reason ? [`${step}: ${reason}`] : []),
  ]);
  const end =
    same === null
      ? `run ${run} goes on`
      : same
        ? `run ${run} made what ${of} had made`
        : `run ${run} did not make what ${of} had made`;
  return `${formatTable(['step', 'output', 'verdict', 'before', 'now'], rows)}\n${[...notes, end].join('\n')}\n`;
}

function headOf({ run, pipeline, generation, status, source, code, params, seed, environments }: Record): string {
  const lines = [`${run}: ${pipeline} (generation ${generation}), ${status}`];
  if (source?.commit) {
    const state = source.dirty === undefined ? '' : source.dirty ? ', with changes that were not committed' : ', clean';
    lines.push(`commit ${source.commit}${source.branch ? ` on ${source.branch}` : ''}${state}`);
    if (source.repository) lines.push(`repository ${source.repository}, ${source.path ?? ''}`);
  }
  for (const [name, digest] of Object.entries(source?.lockFiles ?? {})) lines.push(`${name} ${digest}`);
  lines.push(`code ${code ?? 'none: only commands'}`, `parameters ${JSON.stringify(params)}`, `seed ${seed}`);
  for (const { kedge, node, platform, arch, release, interpreter } of Object.values(environments)) {
    const packages = interpreter?.packages ? ` with ${interpreter.packages.count} packages` : '';
    const program = interpreter ? `, ${interpreter.name} ${interpreter.version}${packages}` : '';
    lines.push(`ran on ${platform} ${release} ${arch}, Kedge ${kedge}, Node ${node}${program}`);
  }
  return `${lines.join('\n')}\n`;
}

function tableOf({ steps }: Record): string {
  const rows = steps.flatMap(({ step, status, inputs, outputs, result, files = {}, runtime = {}, ...ran }) => [
    [step, status, null, null],
    ...nestedRows(ran.program.pipeline),
    ...(ran.places ?? []).map(({ worker, executor, job }) => [
      '',
      '',
      `on  ${job === null ? worker : `${executor} ${job}`}`,
      null,
    ]),
    ...Object.entries(runtime).map(([name, text]) => ['', '', `${name} ${text}`, null]),
    ...Object.entries(files).map(([path, digest]) => ['', '', `file ${path}`, short(digest)]),
    ...Object.entries(inputs).map(([name, { from, digest }]) => ['', '', `in  ${name} = ${from}`, short(digest)]),
    ...Object.entries(outputs).map(([name, made]) => ['', '', `out ${shownOutput(name, made)}`, short(made.digest)]),
    ...(result === null ? [] : [['', '', 'result', short(result)]]),
  ]);
  return formatTable(['step', 'status', 'content', 'digest'], rows);
}

function shownOutput(name: string, { directory }: Record['steps'][number]['outputs'][string]): string {
  return directory ? `${name}/ (${directory.files} files, ${formatBytes(directory.bytes)})` : name;
}

function nestedRows(nested: Record['steps'][number]['program']['pipeline']): (string | null)[][] {
  return nested ? [['', '', `run ${nested.run ?? 'of nothing'} of pipeline ${nested.name}`, null]] : [];
}

function short(digest: string | null): string | null {
  return digest === null ? null : digest.slice(0, SHORT);
}

function shown(value: unknown): string {
  return value === null ? 'nothing' : JSON.stringify(value);
}
