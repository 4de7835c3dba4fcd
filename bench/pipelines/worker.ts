/**
 * What a step costs with everything: a control plane and a worker as processes under the supervisor, over HTTP, as
 * `kedge up` starts them. A chain of no-op TypeScript functions, each step in a process of its own (`process`) and in
 * one process after another step (`process-pool`); beside them, what starting a process of Node costs here.
 *
 *   node tools/run.mjs bench/pipelines/worker.ts [steps] [rounds]      100 and 3 unless told
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type Kedge } from '#client';
import { realSystem } from '#core/system';
import { packCode } from '#pipelines';
import { CODE_MEDIA_TYPE } from '#pipelines/contract';
import { childEnvironment, loadConfig } from '#platform/config';
import { createLogger } from '#platform/observe';
import { openDataDir } from '../../src/apps/data-dir.ts';
import { CONTROL_PLANE_FLAGS } from '../../src/apps/supervisor/platform.ts';
import { supervise } from '../../src/apps/supervisor/supervise.ts';

const [steps, rounds] = [Number(process.argv[2] ?? 100), Number(process.argv[3] ?? 3)];
const EXECUTORS = ['process', 'process-pool'] as const;
const WITHIN_MS = 300_000;

const root = await mkdtemp(join(tmpdir(), 'kedge-bench-worker-'));
await writeFile(join(root, 'steps.ts'), 'export function noop(): void {}\n');

async function open(executor: string, port: number) {
  const dir = join(root, executor);
  const { tokens } = openDataDir(dir);
  const url = `http://127.0.0.1:${port}`;
  const common = { dataDir: dir, logLevel: 'fatal', insecureLoopback: true };
  const worker = { ...common, workerName: 'worker', workerSlots: 1, executor, controlPlaneUrl: url };
  const supervisor = supervise(
    [
      {
        ...{ name: 'control-plane', module: 'control-plane/main.ts', nodeFlags: CONTROL_PLANE_FLAGS },
        env: childEnvironment(loadConfig({ ...common, port }, {})),
      },
      {
        ...{ name: 'worker', module: 'worker/main.ts' },
        env: childEnvironment(loadConfig({ ...worker, token: tokens.worker }, {})),
      },
    ],
    { system: realSystem(), logger: createLogger('supervisor', 'fatal') },
  );
  await supervisor.ready;
  const kedge = connect({ url });
  const { files } = await packCode(join(root, 'steps.ts'));
  const bytes = new TextEncoder().encode(JSON.stringify({ files }));
  const { digest } = await kedge.pipelines.putPipelineCode({ upload: { contentType: CODE_MEDIA_TYPE, bytes } });
  const chain = Array.from({ length: steps }, (_, i) => ({
    ...{ name: `s${i}`, function: { module: 'steps.ts', export: 'noop' }, cache: false },
    ...(i > 0 ? { needs: [`s${i - 1}`] } : {}),
  }));
  const resources = [{ kind: 'pipeline', name: 'chain', spec: { code: digest, steps: chain } }];
  await kedge.resources.applyResources({ body: { resources } });
  return { kedge, stop: () => supervisor.stop() };
}

/** Milliseconds a step, from the request of the run to its end. */
async function chained(kedge: Kedge): Promise<number> {
  const startedAt = performance.now();
  const { run } = await kedge.pipelines.startPipelineRun({ params: { pipeline: 'chain' }, body: {} });
  for (const giveUpAt = startedAt + WITHIN_MS; performance.now() < giveUpAt; await pause(50)) {
    const { status, finishedAt, createdAt } = await kedge.pipelines.getPipelineRun({ params: { run } });
    if (finishedAt === null) continue;
    if (status !== 'succeeded') throw new Error(`the run is ${status}`);
    return (finishedAt - createdAt) / steps;
  }
  throw new Error('the run does not end');
}

async function startOfNode(): Promise<number> {
  const startedAt = performance.now();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return performance.now() - startedAt;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

const port = 20_000 + (process.pid % 20_000);
const opened = await Promise.all(EXECUTORS.map((executor, i) => open(executor, port + i)));
const took = EXECUTORS.map((): number[] => []);
const starts: number[] = [];
for (let round = 0; round < rounds; round++) {
  for (const [i, { kedge }] of opened.entries()) took[i]?.push(await chained(kedge));
  for (let i = 0; i < 10; i++) starts.push(await startOfNode());
}
for (const [i, executor] of EXECUTORS.entries()) {
  const all = took[i] ?? [];
  const told = all.map((ms) => ms.toFixed(1)).join(' ');
  process.stdout.write(`${executor}: ${median(all).toFixed(1)} ms a step of ${steps} [${told}]\n`);
}
process.stdout.write(`node -e 0: ${median(starts).toFixed(1)} ms\n`);
await Promise.all(opened.map(({ stop }) => stop()));
await rm(root, { recursive: true, force: true });
