import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect, type Kedge } from '#client';
import { compileCache } from '#testing/compile-cache';
import { openDataDir } from '../data-dir.ts';
import type { ReadyMessage } from '../process.ts';
import { sendTestSteps } from '../worker/testing/control-plane.ts';

const WITHIN_MS = 60_000;
const NAME = 'p';

async function openPlatform(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'kedge-embedded-'));
  const dataDir = openDataDir(join(root, 'data'));
  const started: ChildProcess[] = [];
  t.after(async () => {
    for (const child of started) await kill(child);
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  });
  const start = async () => {
    const child = fork(fileURLToPath(new URL('./main.ts', import.meta.url)), [], {
      env: {
        ...compileCache,
        ...{ KEDGE_DATA: dataDir.root, KEDGE_PORT: '0', KEDGE_LOG_LEVEL: 'error', KEDGE_EMBEDDED_SLOTS: '2' },
      },
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    started.push(child);
    const [{ ready }] = (await once(child, 'message')) as [ReadyMessage];
    return { child, kedge: connect({ url: ready['url'] ?? '', token: dataDir.tokens.admin }) };
  };
  return { root, start };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

type Steps = readonly Readonly<Record<string, unknown>>[];

async function begin(kedge: Kedge, code: string, steps: Steps): Promise<string> {
  await kedge.resources.applyResources({
    body: { resources: [{ kind: 'pipeline', name: NAME, spec: { code, steps } }] },
  });
  return (await kedge.pipelines.startPipelineRun({ params: { pipeline: NAME }, body: {} })).run;
}

async function ended(kedge: Kedge, run: string) {
  for (let waitedMs = 0; waitedMs < WITHIN_MS; waitedMs += 50) {
    const found = await kedge.pipelines.getPipelineRun({ params: { run } });
    if (found.finishedAt !== null) return found;
    await pause(50);
  }
  return assert.fail(`run ${run} does not end`);
}

/** The process ids that a step wrote to a file, once it has. */
async function pidsIn(path: string, lines: number): Promise<number[][]> {
  for (let waitedMs = 0; waitedMs < WITHIN_MS; waitedMs += 50) {
    try {
      const found = readFileSync(path, 'utf8').trim().split('\n');
      if (found.length >= lines) return found.map((line) => line.split(' ').map(Number));
    } catch {
      // The step has not begun.
    }
    await pause(50);
  }
  return assert.fail(`nothing is in ${path}`);
}

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const step = (name: string, more: object = {}) => ({
  ...{ name: name.toLowerCase(), function: { module: 'steps.ts', export: name }, retries: 0, cache: false },
  ...more,
});

test('a control plane with slots runs steps in child processes, and outlives them', async (t) => {
  const { root, start } = await openPlatform(t);
  const { child, kedge } = await start();
  const code = await sendTestSteps(kedge.pipelines as Parameters<typeof sendTestSteps>[0]);
  const flow = [
    step('prepare', { params: { rows: 10 }, outputs: ['numbers.json'] }),
    step('train', { inputs: { numbers: 'prepare.numbers.json' }, outputs: ['model.txt'] }),
    { name: 'told', command: ['sh', '-c', 'echo "$KEDGE_URL"; exit 3'], needs: ['train'], retries: 0 },
  ];

  const done = await ended(kedge, await begin(kedge, code, flow));
  const killed = await ended(kedge, await begin(kedge, code, [step('killsItself')]));
  const exited = await ended(kedge, await begin(kedge, code, [step('exits')]));
  const path = join(root, 'hangs');
  const hanging = await begin(kedge, code, [step('hangs', { params: { started: path } })]);
  const [[own, spawned] = []] = await pidsIn(path, 1);
  await kedge.pipelines.cancelPipelineRun({ params: { run: hanging }, body: {} });
  const cancelled = await ended(kedge, hanging);

  const statuses = done.steps.map(({ status }) => status);
  assert.deepEqual(statuses, ['succeeded', 'succeeded', 'failed']);
  assert.deepEqual(done.steps[1]?.result, { sum: 90 });
  const [attempt] = done.steps[0]?.attempts ?? [];
  assert.match(attempt?.worker ?? '', /^embedded@/);
  assert.equal(attempt?.place?.executor, 'process-pool');
  const reasons = [killed, exited].map(({ steps }) => steps[0]?.attempts[0]?.error?.kind);
  assert.deepEqual(reasons, ['killed', 'exit-code']);
  assert.equal(cancelled.status, 'cancelled');
  assert.ok(own && own !== child.pid && spawned);
  assert.deepEqual([own, spawned].map(isRunning), [false, false]);
  assert.equal(child.exitCode, null);
});

test('after kill -9 the next control plane goes on at once with what its embedded worker held', async (t) => {
  const { root, start } = await openPlatform(t);
  const first = await start();
  const code = await sendTestSteps(first.kedge.pipelines as Parameters<typeof sendTestSteps>[0]);
  const path = join(root, 'hangs');
  const run = await begin(first.kedge, code, [step('hangs', { params: { started: path } })]);
  await pidsIn(path, 1);

  await kill(first.child);
  const { kedge } = await start();
  await pidsIn(path, 2);

  const { steps } = await kedge.pipelines.getPipelineRun({ params: { run } });
  assert.deepEqual(
    steps[0]?.attempts.map(({ epoch, status }) => [epoch, status]),
    [
      [1, 'lost'],
      [2, 'running'],
    ],
  );
});
