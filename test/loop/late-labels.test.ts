import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Kedge } from '#client';
import { EVIDENCE, linearModel } from '#testing/loop-models';
import { type LoopPlatform, openLoopPlatform } from '#testing/loop-platform';
import { dayOf, HOUR, type Ride, Town } from '#testing/town';
import { type Answer, TownPlayer } from '#testing/town-player';
import { gate, lateness, quality } from './project.ts';

const ENDPOINT = { params: { endpoint: 'lateness' } };
const WINDOW = dayOf(1) + 2 * HOUR;

let platform: LoopPlatform;
let kedge: Kedge;
before(async () => {
  platform = await openLoopPlatform();
  kedge = platform.kedge;
  await kedge.resources.applyResources({ body: { resources: [lateness(null), quality, gate] } });
});
after(() => platform.stop());

/** Mean log loss of answers, by its definition. */
function lossOf(rides: readonly Ride[], answers: readonly Answer[]): number {
  const byId = new Map(answers.map(({ id, output }) => [id, output.probability]));
  const losses = rides.map(({ id, late }) => -Math.log(late === 1 ? (byId.get(id) ?? 0) : 1 - (byId.get(id) ?? 1)));
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

async function versionsOf(metric: 'log-loss' | 'base-rate') {
  const query = { metric, revision: '*', from: WINDOW, to: WINDOW + HOUR, versions: 'all' } as const;
  const { items } = await kedge.monitoring.listFigures({ ...ENDPOINT, query });
  return items.toSorted((a, b) => a.version - b.version);
}

test('labels that come late open their window again, and its figures get a second version', async () => {
  const town = new Town({ seed: 8, ridesPerHour: 60 });
  const player = new TownPlayer({ platform, town, endpoint: 'lateness', startAt: dayOf(1) });
  await platform.register('lateness', linearModel(2.5), EVIDENCE);
  await platform.settle();
  // A tenth of the labels is missing, and not a fair one: those that would have been late.
  player.withhold = ({ at, late, x }) => at >= WINDOW && at < WINDOW + 2 * HOUR && late === 1 && x < 0.6;
  const answers: Answer[] = [];
  await player.play(WINDOW + 6 * HOUR, () => {
    answers.push(...player.answers);
    return false;
  });
  const all = town.rides(WINDOW, WINDOW + 2 * HOUR);
  const missing = new Set(player.withheld.map(({ id }) => id));
  const inTime = all.filter(({ id }) => !missing.has(id));
  const [first, ...more] = await versionsOf('log-loss');
  assert.deepEqual([more.length, first?.version, first?.requests], [0, 1, all.length]);
  assert.deepEqual([first?.labelled, missing.size > 10], [inTime.length, true]);
  assert.ok(Math.abs((first?.value ?? 0) - lossOf(inTime, answers)) < 1e-6, `${first?.value}`);

  await player.label(player.withheld);
  assert.equal((await versionsOf('log-loss')).length, 1, 'what was published stands until event time moves on');
  await player.hour();

  const [before, after, ...others] = await versionsOf('log-loss');
  assert.deepEqual(before, first, 'the first version stays as it was published');
  assert.deepEqual([after?.version, after?.labelled, others], [2, all.length, []]);
  assert.ok(Math.abs((after?.value ?? 0) - lossOf(all, answers)) < 1e-6, `${after?.value}`);
  assert.ok((after?.at ?? 0) > (first?.at ?? 0));
  const rates = (await versionsOf('base-rate')).map(({ value }) => value);
  assert.ok((rates[1] ?? 0) > (rates[0] ?? 1), 'the late ones had been late');
  const latest = { metric: 'log-loss', revision: '*', from: WINDOW, to: WINDOW + HOUR } as const;
  const { items } = await kedge.monitoring.listFigures({ ...ENDPOINT, query: latest });
  assert.deepEqual(
    items.map(({ version }) => version),
    [2],
  );
});
