import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { Kedge } from '#client';
import { type LoopPlatform, openLoopPlatform } from '#testing/loop-platform';
import { dayOf, HOUR, Town } from '#testing/town';
import { TownPlayer } from '#testing/town-player';
import {
  applyProject,
  gate,
  lateness,
  quality,
  retrainWhenLossIsHigh,
  rides,
  runPipeline,
  training,
  zoneView,
} from './project.ts';

const CHANGE = dayOf(2) + 4 * HOUR;
const LOOP = [
  ...[rides, zoneView('zone', 'known'), training('retrain', 'zone'), lateness(['zone'])],
  ...[quality, retrainWhenLossIsHigh, gate],
];

let platform: LoopPlatform;
afterEach(() => platform.stop());

/** A platform that serves a model of the first day, at the hour in which the concept changes. */
async function untilChange(resources: Parameters<typeof applyProject>[1]): Promise<TownPlayer> {
  platform = await openLoopPlatform({ worker: true });
  const { kedge } = platform;
  await applyProject(kedge, resources);
  const town = new Town({ seed: 1, ridesPerHour: 90, changeAt: CHANGE });
  const player = new TownPlayer({ platform, town, endpoint: 'lateness', dataset: 'rides', startAt: dayOf(1) });
  await player.history(dayOf(2));
  const run = await runPipeline(kedge, 'retrain', { until: new Date(dayOf(2)).toISOString(), hours: 24 });
  assert.equal(run.status, 'succeeded', run.reason ?? '');
  await platform.settle();
  await player.play(CHANGE);
  return player;
}

async function stateOf(kedge: Kedge) {
  const endpoint = await kedge.serving.getEndpoint({ params: { endpoint: 'lateness' } });
  const { items: rollouts } = await kedge.serving.listRollouts({ params: { endpoint: 'lateness' } });
  const { items: signals } = await kedge.monitoring.listSignals({ query: { endpoint: 'lateness' } });
  const { items: fired } = await kedge.automation.listDecisions();
  const { items: runs } = await kedge.pipelines.listPipelineRuns();
  const { items: incidents } = await kedge.automation.listIncidents();
  return { endpoint, rollouts, signals, fired, runs, incidents };
}

test('a change of concept fires the alert, is learnt by a run of the rule, and the new model takes over', async () => {
  const player = await untilChange(LOOP);
  const { kedge } = platform;
  const before = await stateOf(kedge);
  assert.equal(before.endpoint.current?.version, 1);
  assert.deepEqual(
    [before.signals, before.fired, before.runs.length],
    [[], [], 1],
    'nothing happened before the change',
  );

  const completed = await player.play(dayOf(5), async () => {
    const { current, rollout } = await kedge.serving.getEndpoint({ params: { endpoint: 'lateness' } });
    return current?.version === 2 && rollout === null;
  });

  const after = await stateOf(kedge);
  assert.ok(completed, JSON.stringify(after.rollouts[0]?.decisions, null, 1));
  const [signal] = after.signals.filter(({ state }) => state === 'firing');
  assert.ok(signal && signal.at > CHANGE && signal.at <= CHANGE + 8 * HOUR, signal?.sentence);
  const [decision] = after.fired;
  assert.deepEqual([decision?.outcome, decision?.rule], ['fired', 'retrain-when-loss-is-high']);
  const run = after.runs.find((found) => found.run === decision?.run);
  assert.deepEqual([run?.status, run?.cause.kind, run?.cause.depth], ['succeeded', 'rule', 1]);
  const version = await kedge.registry.getVersion({ params: { model: 'lateness', version: 2 } });
  assert.deepEqual([version.runId, version.cause.id], [run?.run, 'rule/retrain-when-loss-is-high']);
  const { items: gateDecisions } = await kedge.governance.listGateDecisions({ query: { version: 2 } });
  assert.equal(gateDecisions[0]?.allow, true);
  const rollout = after.rollouts.find(({ candidate }) => candidate === 2);
  const stages = rollout?.decisions.map(({ from, to, weight }) => `${from} > ${to} ${weight}`);
  assert.deepEqual(stages, ['shadow > canary 50', 'canary > probation 100', 'probation > completed 100']);
  assert.match(rollout?.decisions[0]?.sentence ?? '', /better by 0\.\d+ log loss per request .* paired requests/);
  assert.deepEqual(after.incidents, []);

  await player.hour();
  assert.equal(player.failures, 0);
  assert.deepEqual([...new Set(player.answers.map(({ revision }) => revision))], ['lateness@2']);
  const { aliases } = await kedge.registry.getModel({ params: { model: 'lateness' } });
  assert.equal(aliases['champion'], 2);
  await player.play(player.at + 4 * HOUR);
  const later = await stateOf(kedge);
  assert.deepEqual([later.endpoint.current?.version, later.endpoint.locked], [2, false], 'a good model stays');
  assert.equal(later.signals[0]?.state, 'resolved');
  await everyStepIsAudited(kedge);
});

/** Each thing that the loop did by itself has a row, in this order, and the chain of rows holds. */
async function everyStepIsAudited(kedge: Kedge): Promise<void> {
  const { items } = await kedge.activity.searchAudit({ query: { limit: 1_000 } });
  const rows = items.toReversed().map((row) => ({ ...row, text: JSON.stringify(row.detail) }));
  let from = rows.findIndex(({ action, actor }) => action === 'pipeline-run.start' && actor.startsWith('rule/'));
  assert.ok(from >= 0, 'what the rule started is audited as started by the rule');
  const expected: [string, RegExp][] = [
    ['pipeline-run.start', /"pipeline":"retrain"/],
    ['rule.decide', /"outcome":"fired"/],
    ['pipeline-step.finish', /./],
    ['model-version.register', /./],
    ['gate.decide', /"allow":true/],
    ['rollout.start', /"stage":"shadow"/],
    ['rollout.decide', /"to":"canary"/],
    ['rollout.decide', /"to":"probation"/],
    ['rollout.decide', /"to":"completed"/],
    ['alias.move', /./],
  ];
  for (const [action, detail] of expected) {
    const found = rows.findIndex((row, i) => i >= from && row.action === action && detail.test(row.text));
    assert.ok(found >= 0, `no audit row ${action} ${detail} in ${rows.map((row) => row.action).join(' ')}`);
    from = found;
  }
  const verified = await kedge.activity.verifyAudit();
  assert.deepEqual([verified.ok, verified.entries >= rows.length], [true, true]);
}

test('without the rule the same change fires the same alert, and nothing is retrained', async () => {
  const player = await untilChange(LOOP.filter(({ kind }) => kind !== 'rule'));
  const { kedge } = platform;

  await player.play(CHANGE + 10 * HOUR);

  const { endpoint, rollouts, signals, fired, runs } = await stateOf(kedge);
  assert.equal(signals[0]?.state, 'firing');
  assert.deepEqual([fired, runs.length, rollouts.length], [[], 1, 1]);
  assert.deepEqual([endpoint.current?.version, endpoint.rollout], [1, null]);
  assert.equal(player.failures, 0);
});
