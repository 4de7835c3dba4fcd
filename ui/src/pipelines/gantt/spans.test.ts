import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attemptView, runDetail, stepView } from '../testing.ts';
import { spansOf, timesOf } from './spans.ts';

test('a step is queued from the end of what it needs, and waits between attempts', () => {
  const load = stepView('load', { startedAt: 1_000, finishedAt: 2_000, readyAt: 1_000 });
  const fit = stepView('fit', {
    ...{ needs: ['load'], readyAt: 5_000, startedAt: 2_500, finishedAt: 9_000 },
    attempts: [
      attemptView({ epoch: 1, status: 'lost', startedAt: 2_500, finishedAt: 4_000 }),
      attemptView({ epoch: 2, startedAt: 5_500, finishedAt: 9_000 }),
    ],
  });
  const spans = spansOf(fit, runDetail([load, fit], { admittedAt: 900 }), 20_000);
  assert.deepEqual(
    spans.map(({ kind, from, to }) => [kind, from, to]),
    [
      ['queued', 2_000, 2_500],
      ['attempt', 2_500, 4_000],
      ['retried', 4_000, 5_500],
      ['attempt', 5_500, 9_000],
    ],
  );
  assert.deepEqual(timesOf(spans), { waitedMs: 2_000, workedMs: 5_000 });
});

test('what goes on lasts until now, and what never ran has no spans', () => {
  const load = stepView('load', {
    ...{ status: 'running', readyAt: 1_000, startedAt: 1_500, finishedAt: null },
    attempts: [attemptView({ status: 'running', startedAt: 1_500, finishedAt: null })],
  });
  const ready = stepView('ready', { status: 'queued', readyAt: 1_000, startedAt: null, finishedAt: null });
  const later = stepView('later', { status: 'queued', needs: ['load'], startedAt: null, finishedAt: null });
  const cached = stepView('cached', { status: 'cached', readyAt: 1_000 });
  const run = runDetail([load, ready, later, cached], { admittedAt: 1_000 });
  assert.deepEqual(spansOf(load, run, 4_000).at(-1)?.to, 4_000);
  assert.deepEqual(spansOf(ready, run, 4_000), [{ kind: 'queued', from: 1_000, to: 4_000 }]);
  assert.deepEqual(spansOf(later, run, 4_000), []);
  assert.deepEqual(spansOf(cached, run, 4_000), []);
});
