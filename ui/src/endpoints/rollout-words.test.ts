import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointSpec, type RolloutView } from '#serving/contract';
import { holdOf, stageSteps } from './rollout-words.ts';

const spec = endpointSpec.parse({ model: 'm' });
const figures = { verdict: 'undecided', blocks: 0, requests: 0, mean: null, low: null, high: null, sum: 0 } as const;
const none = { ...figures, boundary: null };

function rollout(more: Partial<RolloutView>): RolloutView {
  return {
    ...{ id: 'r', endpoint: 'e', model: 'm', current: 1, candidate: 2, stage: 'canary', weight: 25, forced: false },
    ...{ reason: null, cause: { kind: 'user', id: 'ada', depth: 0 }, startedAt: 0, finishedAt: null },
    ...{ evidence: none, stageEvidence: none, decisions: [] },
    ...more,
  };
}

function live(strategy: 'canary' | 'blue-green' | 'shadow', steps: number[]): NonNullable<RolloutView['live']> {
  const hold = { kind: 'sample', sentence: 'the candidate scored 3 requests' } as const;
  const more = { blockMs: 10_000, burnInBlocks: 8, latest: null, stepRequests: 3, findings: [], sampleRatio: null };
  return { strategy, steps, hold, ...more };
}

const path = (view: RolloutView): string[] => stageSteps(view, spec).map(({ label, state }) => `${label} ${state}`);

test('a canary on live traffic is shown by its own steps, with the one it stands on and why', () => {
  const view = rollout({ live: live('canary', [5, 25, 100]) });
  assert.deepEqual(path(view), ['5 % done', '25 % now', '100 % ahead', 'current ahead']);
  assert.equal(holdOf(view), 'It waits: the candidate scored 3 requests.');
  assert.equal(holdOf({ ...view, paused: { reason: 'lunch' } }), 'Paused by hand: lunch.');
});

test('blue-green and shadow have no canary, and a rollout on labels keeps its stages', () => {
  const green = rollout({ stage: 'probation', weight: 100, live: live('blue-green', []) });
  assert.deepEqual(path(green), ['shadow done', 'all traffic now', 'current ahead']);
  const shadow = rollout({ stage: 'shadow', weight: 0, live: live('shadow', []) });
  assert.deepEqual(path(shadow), ['shadow now', 'current ahead']);
  const paired = path(rollout({}));
  assert.deepEqual(paired, [
    ...['shadow done', 'canary 5 % done', 'canary 25 % now', 'canary 50 % ahead', 'probation ahead', 'current ahead'],
  ]);
  assert.equal(holdOf(rollout({})), undefined);
});
