import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Kedge } from '#client';
import { type LoopPlatform, openLoopPlatform } from '#testing/loop-platform';
import { dayOf, HOUR, MINUTE, Town } from '#testing/town';
import { TownPlayer } from '#testing/town-player';
import {
  applyProject,
  gate,
  lateness,
  quality,
  repairedRides,
  rides,
  runPipeline,
  training,
  zoneView,
} from './project.ts';

const ENDPOINT = { params: { endpoint: 'lateness' } };
const BROKEN = dayOf(2) + 3 * HOUR;
const REPAIRED = BROKEN + 2 * HOUR;
const ZONE = 'north';

let platform: LoopPlatform;
let kedge: Kedge;
let player: TownPlayer;
const town = new Town({ seed: 6, ridesPerHour: 60 });

before(async () => {
  platform = await openLoopPlatform({ worker: true });
  kedge = platform.kedge;
  const project = [rides, zoneView('zone', 'known'), training('retrain', 'zone'), lateness(['zone']), quality, gate];
  await applyProject(kedge, project);
  player = new TownPlayer({ platform, town, endpoint: 'lateness', dataset: 'rides', startAt: dayOf(1) });
  await player.history(dayOf(2));
  const run = await runPipeline(kedge, 'retrain', { until: new Date(dayOf(2)).toISOString(), hours: 12 });
  assert.equal(run.status, 'succeeded', run.reason ?? '');
  await platform.settle();
  await player.play(BROKEN);
});
after(() => platform.stop());

/** What is read online for the zone at a minute after the repair. */
async function online(at = REPAIRED + MINUTE + 1) {
  const { values } = await kedge.features.readFeatures({ params: { view: 'zone' }, query: { entity: ZONE, at } });
  return values;
}

/** The digest of the rows that a retraining up to the repair would learn from. */
async function trainingRows() {
  const until = new Date(REPAIRED + MINUTE).toISOString();
  const run = await runPipeline(kedge, 'retrain', { until, hours: 12 });
  assert.equal(run.status, 'succeeded', run.reason ?? '');
  return run.outputs['features.rows']?.digest;
}

async function skew() {
  const body = { from: dayOf(2), to: player.at, sample: 500 };
  const { rows, values, mismatched } = await kedge.monitoring.auditSkew({ ...ENDPOINT, body });
  return { enough: rows > 100 && values > 200, mismatched };
}

test('a garbled batch is held from everything, is no case for a rollback, and comes back by a repair', async () => {
  assert.deepEqual(await skew(), { enough: true, mismatched: 0 });
  const before = { online: await online(), rows: await trainingRows() };
  const { commit } = await kedge.datasets.getSnapshot({ params: { dataset: 'rides' } });
  const current = (await kedge.serving.getEndpoint(ENDPOINT)).current?.version;

  player.reportAs = (ride) => ({ ...ride, late: (60 * ride.late) as 0 });
  await player.play(REPAIRED);
  player.reportAs = (ride) => ride;

  const { items: held } = await kedge.datasets.listBatches({
    params: { dataset: 'rides' },
    query: { held: 'true' },
  });
  assert.deepEqual([held.length, held[0]?.status, held[0]?.report.accepted], [2, 'held', 0]);
  assert.equal((await kedge.datasets.getSnapshot({ params: { dataset: 'rides' } })).commit, commit);
  assert.deepEqual(await online(), before.online);
  assert.equal(await trainingRows(), before.rows);
  const { items: incidents } = await kedge.automation.listIncidents({ query: { status: 'open' } });
  assert.deepEqual(
    incidents.map(({ subject }) => subject),
    ['dataset/rides'],
  );
  const [incident] = incidents;
  assert.deepEqual(incident?.facts.length, 2);
  assert.match(incident?.facts[0]?.text ?? '', /late is 0 or 1/);
  assert.match(incident?.advice ?? '', /not the model, so rolling a model back would not help/);
  assert.equal((await kedge.serving.getEndpoint(ENDPOINT)).current?.version, current);
  assert.equal(player.failures, 0);

  await kedge.resources.applyResources({ body: { resources: [repairedRides] } });
  for (const { batch } of held.toReversed()) {
    const released = await kedge.datasets.releaseBatch({
      params: { dataset: 'rides', batch },
      body: { knownAt: REPAIRED },
    });
    assert.deepEqual([released.status, released.report.held], ['released', 0]);
  }
  await platform.settle();

  const back = town.known(BROKEN, REPAIRED).filter(({ zone }) => zone === ZONE);
  const read = await online();
  assert.equal(read['zone_rides_2h'], back.length, 'the released rides and no others became known in those two hours');
  const late = back.filter((ride) => ride.late === 1).length / back.length;
  assert.ok(Math.abs((read['zone_late_2h'] ?? 0) - late) < 1e-6, `${read['zone_late_2h']} read, ${late} true`);
  assert.notEqual(await trainingRows(), before.rows);
  await player.play(REPAIRED + 2 * HOUR);
  assert.deepEqual(await skew(), { enough: true, mismatched: 0 });
  assert.equal((await kedge.activity.verifyAudit()).ok, true);
});
