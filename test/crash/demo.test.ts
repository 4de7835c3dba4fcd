import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAlike } from './alike.ts';
import { assertChainHolds } from './audit-chain.ts';
import { playDemo } from './demo-run.ts';
import { lostIn, storedIn, toldIn } from './demo-state.ts';
import { spreadOverTime, VICTIMS } from './killer.ts';

/** `KEDGE_CRASH_KILLS=20` is the long form; `KEDGE_CRASH_SEED` kills at the same moments again. */
const KILLS = Number(process.env['KEDGE_CRASH_KILLS'] ?? 5);
const SEED = Number(process.env['KEDGE_CRASH_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Of the demo's client: as many answers a killed gateway may have given without the scores beside them. */
const REQUESTS_IN_FLIGHT = 16;

test('the demo ends the same whichever of its processes are killed, and whenever', async (t) => {
  t.diagnostic(`KEDGE_CRASH_SEED=${SEED} KEDGE_CRASH_KILLS=${KILLS}`);
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
  const lost = new Set([...lostIn(undisturbed), ...lostIn(disturbed)]);
  t.diagnostic(`${lost.size} scores beside answers lost`);
  assert.ok(lost.size <= REQUESTS_IN_FLIGHT * KILLS, `${lost.size} scores beside answers are lost`);
  assertAlike(
    { told: toldIn(disturbed, lost), stored: storedIn(disturbed, lost) },
    { told: toldIn(undisturbed, lost), stored: storedIn(undisturbed, lost) },
  );
  await assertChainHolds(disturbed.dataDir, SEED);
});
