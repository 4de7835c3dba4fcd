import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAlike } from './alike.ts';
import { assertChainHolds } from './audit-chain.ts';
import { playDemo } from './demo-run.ts';
import { storedIn, toldIn } from './demo-state.ts';
import { spreadOverTime, VICTIMS } from './killer.ts';

/** How often each process is killed. `KEDGE_CRASH_SEED` kills at the same moments again. */
const KILLS = Number(process.env['KEDGE_CRASH_DEMO_KILLS'] ?? 0);
const SEED = Number(process.env['KEDGE_CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

test('the demo ends the same whichever of its processes are killed, and whenever', async (t) => {
  if (KILLS === 0) return t.skip('KEDGE_CRASH_DEMO_KILLS is not set: with 5, two quick demos take 3 minutes');
  t.diagnostic(`KEDGE_CRASH_SEED=${SEED} KEDGE_CRASH_DEMO_KILLS=${KILLS}`);
  const undisturbed = await playDemo(t, []);
  assert.deepEqual(undisturbed.restarts, []);

  const disturbed = await playDemo(t, spreadOverTime(undisturbed.course, { seed: SEED, kills: KILLS }));
  const seconds = ({ report }: typeof disturbed): number => Math.round(report.seconds);
  t.diagnostic(`undisturbed ${seconds(undisturbed)} s, with ${KILLS} kills of each ${seconds(disturbed)} s`);
  t.diagnostic(`${disturbed.killedLate} kills after the story, ${disturbed.report.requests.retries} requests repeated`);
  assert.deepEqual(disturbed.killed, Object.fromEntries(VICTIMS.map((victim) => [victim, KILLS])));
  assert.deepEqual(
    disturbed.restarts.toSorted(),
    VICTIMS.flatMap((victim) => Array.from({ length: KILLS }, () => `${victim} SIGKILL`)).toSorted(),
  );
  assertAlike(
    { told: toldIn(disturbed), stored: storedIn(disturbed) },
    { told: toldIn(undisturbed), stored: storedIn(undisturbed) },
  );
  await assertChainHolds(disturbed.dataDir, SEED);
});
