import assert from 'node:assert/strict';
import { test } from 'node:test';
import { curveOf, positive, smoothed } from './curve.ts';

test('a curve is in the order of its axis, the last point of a step standing, with gaps for what is no number', () => {
  const points = { steps: [0, 2, 1, 2], timestamps: [1_000, 2_000, 3_000, 5_000], values: [1, 9, Number.NaN, 3] };
  assert.deepEqual(curveOf(points, 'step'), { x: [0, 1, 2], y: [1, null, 3] });
  assert.deepEqual(curveOf(points, 'relative'), { x: [0, 1, 2, 4], y: [1, 9, null, 3] });
  assert.deepEqual(curveOf(points, 'time').x, [1, 2, 3, 5]);
});

test('smoothing keeps a constant as it is from the first point on, and leaves gaps', () => {
  for (const value of smoothed([5, 5, 5, 5], 0.9)) assert.ok(Math.abs((value ?? 0) - 5) < 1e-12);
  const [a, gap, b] = smoothed([0, null, 1], 0.5);
  assert.deepEqual([a, gap], [0, null]);
  assert.ok(Math.abs((b ?? 0) - 2 / 3) < 1e-12);
  assert.deepEqual(smoothed([1, 2], 0), [1, 2]);
});

test('a logarithmic axis leaves out what is not above 0', () => {
  assert.deepEqual(positive([1, 0, -1, null]), [1, null, null, null]);
});
