import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Kedge } from '#client';
import { EVIDENCE, linearModel } from '#testing/loop-models';
import { type LoopPlatform, openLoopPlatform } from '#testing/loop-platform';
import { dayOf, HOUR, Town } from '#testing/town';
import { TownPlayer } from '#testing/town-player';
import { applyProject, gate, lateness, quality, rides, runPipeline, training, zoneView } from './project.ts';

const ENDPOINT = { params: { endpoint: 'lateness' } };
const UNTIL = { until: new Date(dayOf(2)).toISOString(), hours: 12 };

/** The tests are one history: a check fails, is waived, the gate refuses, a person forces. */
describe('a feature view that counts rides from when they begin', () => {
  let platform: LoopPlatform;
  let kedge: Kedge;
  let player: TownPlayer;

  before(async () => {
    platform = await openLoopPlatform({ worker: true });
    kedge = platform.kedge;
    const views = [zoneView('zone', 'known'), zoneView('early', 'event')];
    const pipelines = [training('honest', 'zone'), training('tempting', 'early')];
    await applyProject(kedge, [rides, ...views, ...pipelines, lateness(['zone', 'early']), quality, gate]);
    const town = new Town({ seed: 5, ridesPerHour: 60 });
    player = new TownPlayer({ platform, town, endpoint: 'lateness', dataset: 'rides', startAt: dayOf(1) });
    await platform.register('lateness', linearModel(1), EVIDENCE);
    await player.history(dayOf(2));
  });
  after(() => platform.stop());

  test('fails the run at its leak check, which names the rows', async () => {
    const run = await runPipeline(kedge, 'tempting', UNTIL);

    assert.equal(run.status, 'failed');
    const states = run.steps.map(({ step, status }) => `${step} ${status}`);
    assert.deepEqual(states.slice(0, 2), ['features succeeded', 'leak-check failed']);
    assert.ok(
      states.slice(2).every((state) => /skipped|cancelled/.test(state)),
      states.join(),
    );
    const check = run.steps.find(({ step }) => step === 'leak-check');
    const told = /leak check: (\d+) of (\d+) rows used values not yet known, most of all early_\w+ \(first: row \d+/;
    const [, violating, checked] = told.exec(check?.reason ?? '') ?? [];
    assert.ok(Number(violating) > 0.9 * Number(checked), check?.reason ?? '');
    const log = await kedge.pipelines.readStepLog({ params: { run: run.run, step: 'leak-check' } });
    const named = log.items.filter(({ text }) =>
      /^row \d+ at .*Z: early_\w+ used a value known only at .*Z$/.test(text),
    );
    assert.equal(named.length, 5);
    const { lastVersion } = await kedge.registry.getModel({ params: { model: 'lateness' } });
    assert.equal(lastVersion, 1, 'nothing was registered');
  });

  test('is refused by the gate when the check is waived, with the name of the check', async () => {
    const run = await runPipeline(kedge, 'tempting', { ...UNTIL, waive: true });
    assert.equal(run.status, 'succeeded', run.reason ?? '');
    assert.equal(run.steps[0]?.status, 'cached', 'the training set was there');
    await platform.settle();

    const [decision] = (await kedge.governance.listGateDecisions({ query: { version: 2 } })).items;
    assert.deepEqual([decision?.allow, decision?.missing.length], [false, 1]);
    assert.match(decision?.missing[0] ?? '', /leak-check/);
    const [rollout] = (await kedge.serving.listRollouts(ENDPOINT)).items;
    assert.deepEqual([rollout?.candidate, rollout?.stage], [2, 'refused']);
    assert.match(rollout?.decisions[0]?.sentence ?? '', /gate 'lateness' denies it: .*leak-check/);
    const endpoint = await kedge.serving.getEndpoint(ENDPOINT);
    assert.deepEqual([endpoint.current?.version, endpoint.rollout, endpoint.locked], [1, null, false]);
  });

  test('starts in probation when a person forces it, and answers from the online store', async () => {
    const force = { reason: 'offline it is the best we ever had' };

    const rollout = await kedge.serving.startRollout({ ...ENDPOINT, body: { version: 2, force } });

    assert.deepEqual([rollout.stage, rollout.weight, rollout.forced], ['probation', 100, true]);
    await platform.settle();
    await player.play(player.at + 2 * HOUR);
    assert.equal(player.failures, 0);
    assert.deepEqual([...new Set(player.answers.map(({ revision }) => revision))], ['lateness@2']);
    const [row] = (await kedge.activity.searchAudit({ query: { action: 'rollout.start' } })).items;
    assert.equal(row?.actor, 'user:admin');
    assert.match(JSON.stringify(row?.detail), /"gateWaivedBecause":"offline it is the best we ever had"/);
  });

  test('passes when it counts rides from when they are known', async () => {
    const run = await runPipeline(kedge, 'honest', UNTIL);

    assert.equal(run.status, 'succeeded', run.reason ?? '');
    const check = run.steps.find(({ step }) => step === 'leak-check');
    assert.match(JSON.stringify(check?.result), /each of \d+ rows used only values known at its time/);
  });
});
