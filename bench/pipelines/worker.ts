/**
 * What a step costs with everything: a control plane and its worker as processes under the supervisor, as `kedge up`
 * starts them. A chain of no-op TypeScript functions, each in a process of its own (`process`), in one process after
 * another step (`process-pool`), and with the worker in the control plane (`embedded`), on SQLite; over PostgreSQL with
 * a worker process where KEDGE_TEST_POSTGRES_URL names one. Beside them, what starting a process costs here: Node that
 * does nothing, and the process of such a step without a platform.
 *
 *   node tools/run.mjs bench/pipelines/worker.ts [steps] [rounds] [units] [which,…]      100, 3 and 0 unless told
 *
 * With units, the same functions as a fan-out of so many. Each figure is of the time from the request of a run to its
 * end, as the run has it; a first run of each is not counted.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { openPostgres } from '#adapters/sql/postgres';
import { connect, type Kedge } from '#client';
import { realSystem } from '#core/system';
import { packCode } from '#pipelines';
import { CODE_MEDIA_TYPE } from '#pipelines/contract';
import { childEnvironment, loadConfig } from '#platform/config';
import { createLogger } from '#platform/observe';
import { openDataDir } from '../../src/apps/data-dir.ts';
import { CONTROL_PLANE_FLAGS } from '../../src/apps/supervisor/platform.ts';
import { supervise } from '../../src/apps/supervisor/supervise.ts';
import type { HostRequest } from '../../src/apps/worker/host-protocol.ts';

const POSTGRES = process.env['KEDGE_TEST_POSTGRES_URL'] ?? '';
const [steps, rounds, units] = [
  Number(process.argv[2] ?? 100),
  Number(process.argv[3] ?? 3),
  Number(process.argv[4] ?? 0),
];
const ALL = ['embedded', 'process', 'process-pool', ...(POSTGRES === '' ? [] : ['postgres'])];
const which = process.argv[5]?.split(',') ?? ALL;
const WITHIN_MS = 300_000;
const STEP_HOST = fileURLToPath(new URL('../../src/apps/worker/step-host.ts', import.meta.url));

const root = await mkdtemp(join(tmpdir(), 'kedge-bench-worker-'));
await writeFile(join(root, 'steps.ts'), 'export function noop(): void {}\n');

/** A database of its own beside the one that is named. */
async function withDatabase(): Promise<{ readonly url: string; drop(): Promise<void> }> {
  const name = `kedge_bench_${process.pid}`;
  const store = await openPostgres(POSTGRES, { schema: 'public', connectionsMax: 1 });
  await sql`create database ${sql.id(name)}`.execute(store.reader);
  const url = new URL(POSTGRES);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    async drop() {
      await sql`drop database ${sql.id(name)} with (force)`.execute(store.reader);
      await store.close();
    },
  };
}

async function open(name: string, port: number) {
  const dir = join(root, name);
  const { tokens } = openDataDir(dir);
  const url = `http://127.0.0.1:${port}`;
  const database = name === 'postgres' ? await withDatabase() : undefined;
  const common = { dataDir: dir, logLevel: 'fatal', insecureLoopback: true, database: database?.url };
  const executor = name === 'process' ? 'process' : 'process-pool';
  const worker = { ...common, workerName: 'worker', workerSlots: 1, executor, controlPlaneUrl: url };
  const isEmbedded = name === 'embedded';
  const supervisor = supervise(
    [
      {
        ...{ name: 'control-plane', module: 'control-plane/main.ts', nodeFlags: CONTROL_PLANE_FLAGS },
        env: childEnvironment(loadConfig({ ...common, port, embeddedSlots: isEmbedded ? 1 : 0 }, {})),
      },
      ...(isEmbedded
        ? []
        : [
            {
              ...{ name: 'worker', module: 'worker/main.ts' },
              env: childEnvironment(loadConfig({ ...worker, token: tokens.worker }, {})),
            },
          ]),
    ],
    { system: realSystem(), logger: createLogger('supervisor', 'fatal') },
  );
  await supervisor.ready;
  const kedge = connect({ url });
  await declare(kedge);
  const stop = async (): Promise<void> => {
    await supervisor.stop();
    await database?.drop();
  };
  return { name, kedge, pid: () => supervisor.pids().get('control-plane'), stop };
}

async function declare(kedge: Kedge): Promise<void> {
  const { files } = await packCode(join(root, 'steps.ts'));
  const bytes = new TextEncoder().encode(JSON.stringify({ files }));
  const { digest: code } = await kedge.pipelines.putPipelineCode({ upload: { contentType: CODE_MEDIA_TYPE, bytes } });
  const noop = { function: { module: 'steps.ts', export: 'noop' }, cache: false };
  const chain = Array.from({ length: steps }, (_, i) => ({
    ...{ name: `s${i}`, ...noop },
    ...(i > 0 ? { needs: [`s${i - 1}`] } : {}),
  }));
  const fan = [{ name: 'fan', ...noop, map: { count: Math.max(1, units) } }];
  const pipeline = (name: string, own: readonly object[]) => ({ kind: 'pipeline', name, spec: { code, steps: own } });
  await kedge.resources.applyResources({ body: { resources: [pipeline('chain', chain), pipeline('fan', fan)] } });
}

/** Milliseconds a step, from the request of the run to its end. */
async function timed(kedge: Kedge, pipeline: string, count: number): Promise<number> {
  const startedAt = performance.now();
  await kedge.pipelines.startPipelineRun({ params: { pipeline }, body: {} });
  for (const giveUpAt = startedAt + WITHIN_MS; performance.now() < giveUpAt; await pause(50)) {
    const { items } = await kedge.pipelines.listPipelineRuns({ query: { pipeline, limit: 1 } });
    const [run] = items;
    if (!run || run.finishedAt === null) continue;
    if (run.status !== 'succeeded') throw new Error(`the run is ${run.status}: ${run.reason}`);
    return (run.finishedAt - run.createdAt) / count;
  }
  throw new Error('the run does not end');
}

async function startOfNode(): Promise<number> {
  const startedAt = performance.now();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return performance.now() - startedAt;
}

/** The process of a step, started by hand: what it costs without being leased, watched and committed. */
async function startOfStep(): Promise<number> {
  const request: HostRequest = {
    modulePath: join(root, 'steps.ts'),
    export: 'noop',
    ...{ params: {}, inputs: {}, outputs: {}, cwd: root, resultPath: join(root, 'result.json') },
    ...{ resultLengthMax: 1_000, seed: 1, run: 'run', step: 'step' },
    cause: { kind: 'user', id: 'bench', depth: 0 },
    client: { url: '' },
  };
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', STEP_HOST], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { NODE_COMPILE_CACHE: join(root, 'compile-cache') },
  });
  child.stdin.end(JSON.stringify(request));
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the process of the step ended with code ${code}`);
  return performance.now() - startedAt;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

function tell(what: string, all: readonly number[]): void {
  process.stdout.write(`${what}: ${median(all).toFixed(1)} ms [${all.map((ms) => ms.toFixed(1)).join(' ')}]\n`);
}

const port = 20_000 + (process.pid % 20_000);
const opened = [];
for (const [i, name] of which.entries()) opened.push(await open(name, port + i));
const chains = opened.map((): number[] => []);
const fans = opened.map((): number[] => []);
const starts: number[] = [];
const processes: number[] = [];
for (let round = -1; round < rounds; round++) {
  for (const [i, { kedge }] of opened.entries()) {
    const took = await timed(kedge, 'chain', steps);
    const unit = units === 0 || round < 0 ? 0 : await timed(kedge, 'fan', units);
    if (round < 0) continue;
    chains[i]?.push(took);
    if (units > 0) fans[i]?.push(unit);
  }
  for (let i = 0; i < 10; i++) {
    starts.push(await startOfNode());
    const took = await startOfStep();
    if (round >= 0) processes.push(took);
  }
}
for (const [i, { name }] of opened.entries()) {
  tell(`${name}, a step of ${steps}`, chains[i] ?? []);
  if (units > 0) tell(`${name}, a unit of ${units}`, fans[i] ?? []);
}
process.stdout.write(`node -e 0: ${median(starts).toFixed(1)} ms\n`);
process.stdout.write(`the process of such a step alone: ${median(processes).toFixed(1)} ms\n`);
await Promise.all(opened.map(({ stop }) => stop()));
await rm(root, { recursive: true, force: true });
