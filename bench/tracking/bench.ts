import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Databases, fillMlflow, postgresDatabases, sqliteDatabases } from './databases.ts';
import { fill } from './fill.ts';
import { MlflowRest } from './rest.ts';
import { type BenchedServer, startKedge, startMlflow } from './server.ts';
import { type Target, type Workload, workloads } from './workloads.ts';

/**
 * What tracking costs over MLflow's protocol: searches among many runs, batches, single metrics, new runs, histories.
 * With `--mlflow`, the same requests go to stock MLflow servers beside it, one for each number of workers (0 leaves the
 * number to MLflow). In each round each server is measured once, in turn, while the others are idle; all MLflow servers
 * share a database. Milliseconds of a round are the median of its requests. A ratio is that of the medians over all
 * rounds.
 *
 *     node tools/run.mjs bench/tracking/bench.ts [--runs 30000] [--clients 20] [--seconds 3] [--json]
 *       [--only 'search|create'] [--relaxed] [--postgres postgres://…]
 *       [--mlflow ~/.cache/kedge-ci/mlflow-3.17] [--workers 1,0]
 *
 * On SQLite each commit of either side is synced to disk; with `--relaxed` Kedge runs as it comes, where a commit
 * survives kill -9 but not a power cut. On PostgreSQL MLflow needs psycopg2 in its environment (or PYTHONPATH).
 */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '30000' },
    clients: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    mlflow: { type: 'string' },
    workers: { type: 'string', default: '1,0' },
    postgres: { type: 'string' },
    relaxed: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const RUNS = Number(values.runs);
/** Rounds that compile what the others find compiled; they are not counted. */
const WARM_UP = 2;
/** A round of single requests has as many, one after the other, as are begun in this time, and at least one. */
const ROUND_MS = 250;

interface Side extends Target {
  readonly server: BenchedServer;
  readonly idle: { readonly mb: number; readonly processes: number };
}

const folder = mkdtempSync(join(tmpdir(), 'kedge-bench-tracking-'));
const databases: Databases = values.postgres
  ? await postgresDatabases(values.postgres)
  : sqliteDatabases(folder, !values.relaxed);
const sides: Side[] = [];
try {
  await start();
  const options = { seconds: Number(values.seconds), clients: Number(values.clients) };
  const chosen = workloads(options).filter(({ what }) => new RegExp(values.only).test(what));
  const measured = [];
  for (const workload of chosen) {
    const figures = await measure(workload);
    measured.push({ workload, figures });
    if (!values.json) console.log(textOf(workload, figures));
  }
  report(measured);
} finally {
  for (const { rest, server } of sides) {
    rest.close();
    await server.stop();
  }
  await databases.drop();
  rmSync(folder, { recursive: true, force: true });
}

async function start(): Promise<void> {
  const kedge = { folder: join(folder, 'kedge'), database: databases.kedge };
  const filling = await startKedge({ ...kedge, durable: false });
  const rest = new MlflowRest(filling.url, Number(values.clients));
  const { experiment_id: filled } = await rest.post('experiments/create', { name: 'bench' });
  await fill(rest, String(filled), RUNS);
  rest.close();
  await filling.stop();
  await sideOf('kedge', await startKedge({ ...kedge, durable: !values.relaxed }), String(filled));
  const environment = values.mlflow;
  for (const workers of environment === undefined ? [] : values.workers.split(',').map(Number)) {
    if (environment === undefined) return;
    const options = { folder, environment, store: databases.mlflow, workers: workers === 0 ? undefined : workers };
    const name = workers === 0 ? 'mlflow' : `mlflow --workers ${workers}`;
    const known = sides.find((side) => side.name !== 'kedge');
    const side = await sideOf(name, await startMlflow(options), known?.experiment);
    if (!known) fillMlflow(environment, databases.mlflow, side.experiment, RUNS);
  }
  await databases.analyze();
}

async function sideOf(name: string, server: BenchedServer, known?: string): Promise<Side> {
  const idle = server.resident();
  const rest = new MlflowRest(server.url, Number(values.clients));
  const made = known ?? (await rest.post('experiments/create', { name: 'bench' }))['experiment_id'];
  const side = { name, server, rest, idle, experiment: String(made) };
  sides.push(side);
  if (!values.json) {
    console.log(`${name}: ${Math.round(server.startMs)} ms to /health, ${idle.mb} MB in ${idle.processes} processes`);
  }
  return side;
}

async function measure({ what, rounds, unit, measure: one }: Workload): Promise<Map<string, number[]>> {
  const figures = new Map<string, number[]>(sides.map(({ name }) => [name, []]));
  const warmUp = unit === 'ms' ? WARM_UP : 0;
  // Each side is asked the same things in the same order, however far it comes.
  const asked = new Map<Side, number>();
  const next = (side: Side): number => {
    const index = asked.get(side) ?? 0;
    asked.set(side, index + 1);
    return index;
  };
  for (let round = -warmUp; round < rounds; round++) {
    for (let i = 0; i < sides.length; i++) {
      const side = sides[(i + round + warmUp) % sides.length] as Side;
      // A server that is overrun may hang up. Such a round has no figure, and is told.
      const answer = unit === 'ms' ? several(() => one(side, next(side))) : one(side, round + warmUp);
      const figure = await answer.catch((error: Error) => {
        console.error(`${what} by ${side.name}: ${error.message}`);
        return undefined;
      });
      if (round >= 0 && figure !== undefined) figures.get(side.name)?.push(figure);
    }
  }
  return figures;
}

async function several(one: () => Promise<number>): Promise<number> {
  const figures: number[] = [];
  const until = performance.now() + ROUND_MS;
  do figures.push(await one());
  while (performance.now() < until);
  return median(figures);
}

function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2;
}

function rounded(figure: number): number {
  return Number(figure.toPrecision(figure > 1_000 ? 4 : 3));
}

/** How many times better Kedge is. */
function ratioOf({ unit }: Workload, figures: ReadonlyMap<string, number[]>, other: string): number {
  const [own, theirs] = [median(figures.get('kedge') ?? []), median(figures.get(other) ?? [])];
  return rounded(unit === 'ms' ? theirs / own : own / theirs);
}

function textOf(workload: Workload, figures: ReadonlyMap<string, number[]>): string {
  const parts = [...figures].map(([name, each]) => {
    const times = name === 'kedge' ? '' : ` (${ratioOf(workload, figures, name)}x)`;
    return `${name} ${rounded(median(each))}${times} [${each.map(rounded).join(' ')}]`;
  });
  return `${workload.what}, ${workload.unit}\n  ${parts.join('\n  ')}`;
}

function report(measured: readonly { workload: Workload; figures: ReadonlyMap<string, number[]> }[]): void {
  const rows = measured.map(({ workload, figures }) => ({
    what: workload.what,
    unit: workload.unit,
    ...Object.fromEntries([...figures].map(([name, each]) => [name, rounded(median(each))])),
    ...Object.fromEntries(
      [...figures.keys()].slice(1).map((name) => [`times ${name}`, ratioOf(workload, figures, name)]),
    ),
  }));
  const servers = sides.map(({ name, server, idle }) => ({
    ...{ name, startMs: Math.round(server.startMs), idle, end: server.resident() },
  }));
  const { durability } = databases;
  if (values.json) console.log(JSON.stringify({ bench: 'tracking', runs: RUNS, durability, servers, rows }, null, 2));
  else {
    console.log(`${RUNS} runs of 10 metrics and 10 params. ${durability}`);
    console.table(rows);
    for (const { name, end } of servers) console.log(`${name} at the end: ${end.mb} MB in ${end.processes} processes`);
  }
}
