import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAlike } from './alike.ts';
import { assertChainHolds } from './audit-chain.ts';
import { playDemo } from './demo-run.ts';
import { storedIn, toldIn } from './demo-state.ts';
import { spreadOverTime, VICTIMS } from './killer.ts';

/** `KEDGE_CRASH_KILLS=20` is the long form; `KEDGE_CRASH_SEED` kills at the same moments again. */
const KILLS = Number(process.env['KEDGE_CRASH_KILLS'] ?? 3);
const SEED = Number(process.env['KEDGE_CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

test('the demo ends the same whichever of its processes are killed, and whenever', async (t) => {
  t.diagnostic(`KEDGE_CRASH_SEED=${SEED} KEDGE_CRASH_KILLS=${KILLS}`);
  const undisturbed = await playDemo(t, []);
  assert.deepEqual(undisturbed.restarts, []);

  const disturbed = await playDemo(t, spreadOverTime(undisturbed.course, { seed: SEED, kills: KILLS }));
  const seconds = (run: typeof disturbed): number => Math.round((run.endedAt - run.startedAt) / 1_000);
  t.diagnostic(`undisturbed ${seconds(undisturbed)} s, with ${KILLS} kills of each ${seconds(disturbed)} s`);
  assert.deepEqual(disturbed.killed, Object.fromEntries(VICTIMS.map((victim) => [victim, KILLS])));
  assert.deepEqual(
    disturbed.restarts.toSorted(),
    VICTIMS.flatMap((victim) => Array.from({ length: KILLS }, () => `${victim} SIGKILL`)).toSorted(),
  );
  assertAlike(toldIn(disturbed), toldIn(undisturbed), 'told');
  assertAlike(storedIn(disturbed), storedIn(undisturbed), 'stored');
  await assertChainHolds(disturbed.dataDir, SEED);
});
