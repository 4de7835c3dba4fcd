import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Kedge } from '#client';
import { EVIDENCE, linearModel } from '#testing/loop-models';
import { eventually, type LoopPlatform, openLoopPlatform } from '#testing/loop-platform';
import { Prober } from '#testing/prober';
import { DAY, dayOf, HOUR, Town } from '#testing/town';
import { TownPlayer } from '#testing/town-player';
import { gate, lateness, quality } from './project.ts';

const ENDPOINT = { params: { endpoint: 'lateness' } };

/** The tests are one history: each goes on where the one before it ended. */
describe('after a first model', () => {
  let platform: LoopPlatform;
  let kedge: Kedge;
  let player: TownPlayer;

  before(async () => {
    platform = await openLoopPlatform();
    kedge = platform.kedge;
    const rollout = { shadow: { maxDuration: '1d' }, canary: { steps: [50], bake: '2h' }, probation: '1d' };
    const decision = { margin: 0.01, burnInBlocks: 4 };
    const endpoint = lateness(null, { rollout: { ...rollout, decision } });
    await kedge.resources.applyResources({ body: { resources: [endpoint, quality, gate] } });
    const town = new Town({ seed: 2, ridesPerHour: 60 });
    player = new TownPlayer({ platform, town, endpoint: 'lateness', startAt: dayOf(1) });
    await platform.register('lateness', linearModel(0.3), EVIDENCE);
    await player.history(dayOf(1));
    await player.play(dayOf(1) + 2 * HOUR);
  });
  after(() => platform.stop());

  async function rolloutOf(version: number) {
    const { items } = await kedge.serving.listRollouts(ENDPOINT);
    return items.findLast(({ candidate }) => candidate === version);
  }
  const until = (version: number, stages: readonly string[]) =>
    player.play(player.at + 3 * DAY, async () => stages.includes((await rolloutOf(version))?.stage ?? ''));

  test('a better one takes over and is not rolled back', async () => {
    assert.equal(await platform.register('lateness', linearModel(2.6), EVIDENCE), 2);

    await until(2, ['completed', 'refused', 'rolled-back']);

    assert.equal((await rolloutOf(2))?.stage, 'completed', (await rolloutOf(2))?.decisions.at(-1)?.sentence);
    await player.play(player.at + 6 * HOUR);
    const { current, locked } = await kedge.serving.getEndpoint(ENDPOINT);
    assert.deepEqual([current?.revision, locked], ['lateness@2', false]);
    assert.deepEqual([...new Set(player.answers.map(({ revision }) => revision))], ['lateness@2']);
    assert.equal(player.failures, 0);
  });

  test('one that is as good is refused when its time is up, and the refusal has the numbers', async () => {
    assert.equal(await platform.register('lateness', linearModel(2.3), EVIDENCE), 3);
    const seen = new Set<string>();

    await player.play(player.at + 3 * DAY, async () => {
      for (const { revision } of player.answers) seen.add(revision);
      return (await rolloutOf(3))?.stage === 'refused';
    });

    const rollout = await rolloutOf(3);
    const [decision] = rollout?.decisions ?? [];
    assert.deepEqual([decision?.from, decision?.to, decision?.weight], ['shadow', 'refused', 0]);
    const figures = decision?.figures;
    assert.ok(figures && figures.verdict === 'undecided' && figures.low !== null && figures.high !== null);
    assert.ok(figures.low < 0.01 && figures.high > -0.01, 'an interval that holds neither better nor worse');
    assert.ok(figures.blocks >= 23 && figures.requests > 1_000, `${figures.blocks} hours, ${figures.requests} pairs`);
    const low = Number(figures.low.toPrecision(3));
    assert.match(decision?.sentence ?? '', /was not shown to be better in the 24 h it had .* refused/);
    assert.ok(decision?.sentence.includes(`between ${low} and`), decision?.sentence);
    assert.ok(decision?.sentence.includes(`${figures.requests} paired requests`), decision?.sentence);
    assert.deepEqual([...seen], ['lateness@2'], 'it has answered nobody');
    assert.equal((await kedge.serving.getEndpoint(ENDPOINT)).locked, false);
  });

  test('a worse one that is forced in is rolled back, locked, and told with what was changed', async (t) => {
    assert.equal(await platform.register('lateness', linearModel(-1)), 4);
    await platform.settle();
    const refused = await rolloutOf(4);
    assert.match(refused?.decisions[0]?.sentence ?? '', /gate 'lateness' denies it: .*leak-check/);
    const reason = 'a friend says that it is good';
    const { id } = await kedge.serving.startRollout({ ...ENDPOINT, body: { version: 4, force: { reason } } });
    await platform.settle();
    const [forced] = (await kedge.serving.listRollouts(ENDPOINT)).items;
    assert.deepEqual([forced?.id, forced?.stage, forced?.weight, forced?.reason], [id, 'probation', 100, reason]);
    const prober = new Prober(platform.gatewayUrl, { endpoint: 'lateness', at: () => player.at, pauseMs: 4 });

    await player.play(player.at + 2 * DAY, async () => (await kedge.serving.getEndpoint(ENDPOINT)).locked);
    const { items: events } = await kedge.activity.listEvents({ query: { subject: 'endpoint/lateness' } });
    const decided = events.find(({ type }) => type === 'serving.rollout-finished');
    const back = await eventually('the former revision answers', () =>
      prober.probes.find(({ sentAt, revision }) => sentAt >= (decided?.time ?? 0) && revision === 'lateness@2'),
    );
    await prober.stop();

    const rollout = await kedge.serving.getRollout({ params: { rollout: id } });
    assert.equal(rollout.stage, 'rolled-back');
    assert.match(rollout.decisions.at(-1)?.sentence ?? '', /worse by 0\.\d+ log loss .* the endpoint is locked/);
    const endpoint = await kedge.serving.getEndpoint(ENDPOINT);
    assert.deepEqual([endpoint.current?.version, endpoint.rollout], [2, null]);
    assert.match(endpoint.lockReason ?? '', /Version 4 was rolled back/);
    t.diagnostic(`from the decision to an answer of the former revision: ${back.answeredAt - (decided?.time ?? 0)} ms`);
    const answered = prober.probes.map(({ revision }) => revision);
    const last = answered.lastIndexOf('lateness@4');
    assert.ok(last >= 0, 'the forced version had answered');
    assert.ok(answered.slice(last + 1).every((revision) => revision === 'lateness@2'));
    assert.ok((prober.probes[last]?.sentAt ?? 0) <= back.answeredAt, 'and it did not answer again');
    assert.deepEqual([prober.failures, player.failures], [0, 0]);

    const { items: incidents } = await kedge.automation.listIncidents({ query: { status: 'open' } });
    const incident = incidents.find(({ subject }) => subject === 'endpoint/lateness');
    assert.ok(
      incident?.facts.some(({ text }) => text.includes('worse by')),
      JSON.stringify(incident),
    );
    const changed = incident?.changes.find(({ action }) => action === 'rollout.start');
    assert.deepEqual([changed?.subject, changed?.actor], ['endpoint/lateness', 'user:admin']);
    const { items: audit } = await kedge.activity.searchAudit({ query: { action: 'rollout.start' } });
    assert.ok(
      audit.some(({ detail }) => JSON.stringify(detail).includes(reason)),
      'the waiver is audited',
    );
    assert.equal((await kedge.activity.verifyAudit()).ok, true);
  });

  test('a locked endpoint takes no other version until a person unlocks it', async () => {
    assert.equal(await platform.register('lateness', linearModel(2.5), EVIDENCE), 5);
    await platform.settle();
    assert.match((await rolloutOf(5))?.decisions[0]?.sentence ?? '', /locked until a person unlocks it/);
    await assert.rejects(kedge.serving.startRollout({ ...ENDPOINT, body: { version: 5 } }), { code: 'serving/locked' });

    await kedge.serving.unlockEndpoint({ ...ENDPOINT, body: { reason: 'the friend was asked not to' } });

    assert.equal((await kedge.serving.startRollout({ ...ENDPOINT, body: { version: 5 } })).stage, 'shadow');
  });
});
