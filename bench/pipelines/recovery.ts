/**
 * How soon work goes on after SIGKILL: a control plane and a worker as processes under the supervisor, with the leases
 * and pauses of `kedge up`. A run of short steps goes on while the worker, the control plane or both are killed. Told
 * is the time from the kill to the next end of a step, and whether each step was committed once when the run had ended.
 *
 *   node tools/run.mjs bench/pipelines/recovery.ts [times]      5 of each unless told
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type Kedge } from '#client';
import { realSystem } from '#core/system';
import { childEnvironment, loadConfig } from '#platform/config';
import { createLogger } from '#platform/observe';
import { openDataDir } from '../../src/apps/data-dir.ts';
import { CONTROL_PLANE_FLAGS } from '../../src/apps/supervisor/platform.ts';
import { supervise } from '../../src/apps/supervisor/supervise.ts';

const times = Number(process.argv[2] ?? 5);
const PORT = 20_000 + (process.pid % 20_000);
const STEPS = 40;
const STEP_SECONDS = 0.2;
const WITHIN_MS = 120_000;
const VICTIMS = { worker: ['worker'], 'control plane': ['control-plane'], both: ['worker', 'control-plane'] } as const;

const dir = await mkdtemp(join(tmpdir(), 'kedge-bench-recovery-'));
const { tokens } = openDataDir(dir);
const url = `http://127.0.0.1:${PORT}`;
const common = { dataDir: dir, logLevel: 'fatal', insecureLoopback: true };
const worker = { ...common, workerName: 'worker', workerSlots: 1, controlPlaneUrl: url, token: tokens.worker };
const supervisor = supervise(
  [
    {
      ...{ name: 'control-plane', module: 'control-plane/main.ts', nodeFlags: CONTROL_PLANE_FLAGS },
      env: childEnvironment(loadConfig({ ...common, port: PORT }, {})),
    },
    { name: 'worker', module: 'worker/main.ts', env: childEnvironment(loadConfig(worker, {})) },
  ],
  { system: realSystem(), logger: createLogger('supervisor', 'fatal') },
);
await supervisor.ready;
const kedge = connect({ url });
const command = ['/bin/sleep', String(STEP_SECONDS)];
const steps = Array.from({ length: STEPS }, (_, i) => ({
  ...{ name: `s${i}`, command, cache: false, needs: i > 0 ? [`s${i - 1}`] : [] },
}));
await kedge.resources.applyResources({ body: { resources: [{ kind: 'pipeline', name: 'chain', spec: { steps } }] } });
for (const [name, victims] of Object.entries(VICTIMS)) {
  const tookMs: number[] = [];
  let wrong = 0;
  for (let i = 0; i < times; i++) {
    const { run } = await kedge.pipelines.startPipelineRun({ params: { pipeline: 'chain' }, body: {} });
    await until(kedge, run, (done) => done >= 3);
    const before = (await stateOf(kedge, run))?.done ?? 0;
    const killedAt = performance.now();
    for (const victim of victims) process.kill(supervisor.pids().get(victim) ?? 0, 'SIGKILL');
    await until(kedge, run, (done) => done > before);
    tookMs.push(performance.now() - killedAt);
    await until(kedge, run, (_done, isOver) => isOver);
    const { status, steps: ended } = await kedge.pipelines.getPipelineRun({ params: { run } });
    const once = ended.every((step) => step.attempts.filter((attempt) => attempt.status === 'succeeded').length === 1);
    if (status !== 'succeeded' || !once) wrong += 1;
  }
  const told = tookMs.map((ms) => (ms / 1_000).toFixed(1)).join(', ');
  process.stdout.write(`${name} killed: work went on after ${told} s; ${wrong} of ${times} runs ended otherwise\n`);
}
await supervisor.stop();
await rm(dir, { recursive: true, force: true });

async function stateOf(from: Kedge, run: string) {
  // While the control plane is dead nobody answers.
  const found = await from.pipelines.getPipelineRun({ params: { run } }).catch(() => undefined);
  if (!found) return undefined;
  const done = found.steps.filter((step) => step.status === 'succeeded').length;
  return { done, isOver: found.finishedAt !== null };
}

async function until(from: Kedge, run: string, holds: (done: number, isOver: boolean) => boolean): Promise<void> {
  for (const giveUpAt = performance.now() + WITHIN_MS; performance.now() < giveUpAt; await pause(20)) {
    const state = await stateOf(from, run);
    if (state && holds(state.done, state.isOver)) return;
  }
  throw new Error(`run ${run} does not get there within ${WITHIN_MS} ms`);
}
