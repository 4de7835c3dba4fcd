import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EtaStep, etaOf } from './eta.ts';

const step = (name: string, change: Partial<EtaStep> = {}): EtaStep => ({
  ...{ step: name, status: 'queued', needs: [], startedAt: null, progress: null },
  ...change,
});
const durations = new Map([
  ['a', [100, 900, 300]],
  ['b', [50, 150]],
  ['c', [1_000]],
]);

test('a run ends when its longest chain of medians does', () => {
  const steps = [step('a'), step('b', { needs: ['a'] }), step('c', { needs: ['a'] }), step('d', { needs: ['b', 'c'] })];
  assert.deepEqual(etaOf(steps, { durations, now: 5_000 }), { at: 5_000 + 300 + 1_000, unknown: 1 });
});

test('what is over takes nothing, what runs takes what is left of it, and progress goes before the past', () => {
  const done = step('a', { status: 'cached' });
  const running = { status: 'running', startedAt: 4_800 } as const;
  assert.equal(etaOf([done, step('c', { ...running, needs: ['a'] })], { durations, now: 5_000 }).at, 5_800);
  assert.equal(etaOf([step('b', running)], { durations, now: 5_000 }).at, 5_000, 'longer than ever');
  const progress = { n: 1, of: 4 };
  assert.equal(etaOf([step('c', { ...running, progress })], { durations, now: 5_000 }).at, 5_600);
  assert.deepEqual(etaOf([step('new', running)], { durations, now: 5_000 }), { at: 5_000, unknown: 1 });
});
