import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openFsBlobStore } from '#adapters/blob/fs';
import { freePort } from '#testing/free-port';
import { benchOf, fn, isGone, soon } from './testing/bench.ts';
import { temporaryDir } from './testing/control-plane.ts';
import { TEST_EXECUTORS } from './testing/test-executors.ts';

/** Processes of their own, killed with -9: what is left is what was committed. */

/** Leases that no test waits for: a busy machine lets a worker stand still for seconds. */
const LEASE_MS = 120_000;
const SHORT_LEASE_MS = 3_000;

const scriptOf = (name: string): string => fileURLToPath(new URL(`./testing/${name}.ts`, import.meta.url));

function startProcess(t: TestContext, script: string, args: readonly string[]): ChildProcess {
  const flags = ['--disable-warning=ExperimentalWarning', scriptOf(script), ...args];
  const child = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => kill(child));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function startControlPlane(
  t: TestContext,
  dir: string,
  { port, leaseMs }: { readonly port: number; readonly leaseMs: number },
): Promise<ChildProcess> {
  const child = startProcess(t, 'control-plane-process', [dir, String(port), String(leaseMs)]);
  assert.ok(child.stdout);
  await once(createInterface({ input: child.stdout }), 'line');
  return child;
}

async function openProcesses(t: TestContext, leaseMs = LEASE_MS) {
  const { dir, remove } = await temporaryDir();
  t.after(remove);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const controlPlane = await startControlPlane(t, dir, { port, leaseMs });
  const blobs = await openFsBlobStore({ root: join(dir, 'blobs') });
  const startWorker = (name: string, executor = 'process'): ChildProcess =>
    startProcess(t, 'worker-process', [url, join(dir, 'blobs'), join(dir, name), name, executor]);
  const restart = (): Promise<ChildProcess> => startControlPlane(t, dir, { port, leaseMs });
  const [started, go] = [join(dir, 'started'), join(dir, 'go')];
  const starts = (): number[] =>
    existsSync(started) ? readFileSync(started, 'utf8').split('\n').slice(0, -1).map(Number) : [];
  const steps = [
    { name: 'waits', function: fn('waits'), params: { started, go }, outputs: ['answer'], retries: 0 },
    { name: 'after', command: ['/bin/sh', '-c', 'cp "$KEDGE_INPUT_ANSWER" "$KEDGE_OUTPUT_COPY"'], outputs: ['copy'] },
  ].map((step) => (step.name === 'after' ? { ...step, inputs: { answer: 'waits.answer' } } : step));
  const startedTimes = (times: number): Promise<void> =>
    soon(
      () => starts().length === times,
      () => `the step was started ${starts().length} times, not ${times}`,
    );
  /** Lets the step end. What it reads is there whole, as soon as it is there. */
  const letGo = (): void => {
    writeFileSync(`${go}.new`, 'done');
    renameSync(`${go}.new`, go);
  };
  return { ...benchOf(url, blobs), controlPlane, startWorker, restart, starts, startedTimes, letGo, steps };
}

test('a killed worker loses its step to another after the lease, and its orphaned process ends', async (t) => {
  const bench = await openProcesses(t, SHORT_LEASE_MS);
  const first = bench.startWorker('w1');
  const run = await bench.start(bench.steps);
  await bench.startedTimes(1);

  await kill(first);
  const killedAt = performance.now();
  bench.startWorker('w2');
  await bench.startedTimes(2);
  const recoveredMs = performance.now() - killedAt;
  const [orphan] = bench.starts();
  await soon(
    () => isGone(orphan ?? 0),
    () => 'the process of the killed worker goes on',
  );
  bench.letGo();
  const done = await bench.ended(run);

  assert.equal(done.status, 'succeeded', done.reason ?? '');
  assert.deepEqual(
    done.steps[0]?.attempts.map((attempt) => [attempt.epoch, attempt.worker, attempt.status]),
    [
      [1, 'w1', 'lost'],
      [2, 'w2', 'succeeded'],
    ],
  );
  t.diagnostic(`leased again ${Math.round(recoveredMs)} ms after kill -9, with leases of 3,000 ms`);
});

test('a worker that is started again takes up its work at once, however long its lease would last', async (t) => {
  const bench = await openProcesses(t, 3_600_000);
  const first = bench.startWorker('w1');
  const run = await bench.start(bench.steps);
  await bench.startedTimes(1);

  await kill(first);
  await kill(bench.controlPlane);
  // From its start on, the control plane grants what was leased its whole time again.
  await bench.restart();
  bench.startWorker('w1');
  await bench.startedTimes(2);
  bench.letGo();
  const done = await bench.ended(run);

  assert.equal(done.status, 'succeeded', done.reason ?? '');
  assert.deepEqual(
    done.steps[0]?.attempts.map((attempt) => [attempt.epoch, attempt.worker, attempt.status]),
    [
      [1, 'w1', 'lost'],
      [2, 'w1', 'succeeded'],
    ],
  );
});

test('a killed control plane costs neither the attempt that runs nor anything that was committed', async (t) => {
  const bench = await openProcesses(t);
  bench.startWorker('w1');
  const run = await bench.start(bench.steps);
  await bench.startedTimes(1);

  await kill(bench.controlPlane);
  // The step ends while nobody is there to be told.
  bench.letGo();
  const [pid] = bench.starts();
  await soon(
    () => isGone(pid ?? 0),
    () => 'the step does not end',
  );
  await bench.restart();
  const done = await bench.ended(run);

  assert.equal(done.status, 'succeeded', done.reason ?? '');
  assert.equal(bench.starts().length, 1);
  assert.deepEqual(
    done.steps.map((step) => step.attempts.map((attempt) => attempt.status)),
    [['succeeded'], ['succeeded']],
  );
  const copy = done.outputs['after.copy'];
  assert.ok(copy);
  assert.equal(Buffer.from(await bench.blobs.read(copy.digest)).toString(), 'done');
});

test('many workers share the steps of a run, each step once', async (t) => {
  const bench = await openProcesses(t);
  for (const name of ['w1', 'w2', 'w3']) bench.startWorker(name);
  const steps = Array.from({ length: 12 }, (_, i) => ({
    name: `s${i}`,
    command: ['/bin/sh', '-c', `echo ${i} > "$KEDGE_OUTPUT_N"`],
    outputs: ['n'],
  }));

  const done = await bench.ended(await bench.start(steps));

  assert.equal(done.status, 'succeeded', done.reason ?? '');
  assert.deepEqual(
    done.steps.map((step) => step.attempts.length),
    steps.map(() => 1),
  );
  assert.equal(Object.keys(done.outputs).length, 12);
});

for (const [name, { skip, isRemote }] of Object.entries(TEST_EXECUTORS)) {
  if (!isRemote) continue;
  test(`what a killed worker left running on ${name} is ended by the next of its name`, { skip }, async (t) => {
    const bench = await openProcesses(t);
    const first = bench.startWorker('w1', name);
    const run = await bench.start(bench.steps);
    await bench.startedTimes(1);

    await kill(first);
    const [orphan = 0] = bench.starts();
    assert.ok(!isGone(orphan));
    bench.startWorker('w1', name);
    await bench.startedTimes(2);
    // Nothing starts before all that was left has ended.
    assert.ok(isGone(orphan));
    bench.letGo();
    const done = await bench.ended(run);

    assert.equal(done.status, 'succeeded', done.reason ?? '');
    assert.deepEqual(
      done.steps[0]?.attempts.map((attempt) => attempt.status),
      ['lost', 'succeeded'],
    );
  });
}
