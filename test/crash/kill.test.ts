import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadConfig } from '#platform/config';
import { freePort } from '#testing/free-port';
import { startPlatform } from '../../src/apps/supervisor/platform.ts';
import { assertChainHolds } from './audit-chain.ts';
import { auditCountsOf, finalStateOf } from './final-state.ts';
import { Killer, spreadOverMoments } from './killer.ts';
import { momentsOf, playWorkload } from './workload.ts';

/** `KEDGE_CRASH_KILLS=20` is the long form; `KEDGE_CRASH_SEED` plays one again. */
const KILLS = Number(process.env['KEDGE_CRASH_KILLS'] ?? 3);
const SEED = Number(process.env['KEDGE_CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** A step survives three lost workers and no more, so there is a round for each kill of the worker. */
const ROUNDS = Math.max(4, KILLS);

test('killed processes lose nothing, double nothing and leave the audit chain whole', async (t) => {
  t.diagnostic(`KEDGE_CRASH_SEED=${SEED} KEDGE_CRASH_KILLS=${KILLS}`);
  const undisturbed = await play(t, 0);
  assert.ok(undisturbed.state.runs.every((run) => run.status === 'succeeded'));
  assert.equal(undisturbed.state.counts.total, undisturbed.state.counts.labelled);
  assert.ok(undisturbed.state.figures.length >= ROUNDS);

  const disturbed = await play(t, KILLS);
  t.diagnostic(`killed: ${JSON.stringify(disturbed.killed)}`);
  assert.deepEqual(disturbed.killed, { 'control-plane': KILLS, gateway: KILLS, 'worker-1': KILLS });
  assert.deepEqual(disturbed.state, undisturbed.state);
  assert.deepEqual(disturbed.audit, undisturbed.audit);
  await assertChainHolds(disturbed.dataDir, SEED);
});

async function play(t: TestContext, kills: number) {
  const dir = await mkdtemp(join(tmpdir(), 'kedge-crash-'));
  t.after(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  const [port, gatewayPort, grpcPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const logLevel = process.env['KEDGE_LOG_LEVEL'] ?? 'fatal';
  const platform = await startPlatform(
    loadConfig(
      // Nothing that was answered may be missing in the end.
      { dataDir: dir, port, gatewayPort, grpcPort, leaseMs: 1_000, logLevel, insecureLoopback: true, recordDelayMs: 0 },
      {},
    ),
  );
  const plan = spreadOverMoments(momentsOf(ROUNDS), { seed: SEED, kills });
  const killer = new Killer(() => platform.pids(), plan);
  let moment = 0;
  try {
    const { console, gateway } = platform;
    const startedAt = performance.now();
    const done = await playWorkload({ console, gateway, rounds: ROUNDS, moment: () => killer.reach(moment++) });
    await killer.done();
    const state = await finalStateOf(done);
    t.diagnostic(`${kills} kills of each: played in ${Math.round(performance.now() - startedAt)} ms`);
    await platform.stop();
    return { state, audit: auditCountsOf(dir), killed: killer.killed, dataDir: dir };
  } finally {
    killer.stop();
    await platform.stop();
  }
}
