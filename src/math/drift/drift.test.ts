import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { countBins, frozenBins } from '../summary/binning.ts';
import { calibratedThreshold } from './calibrated-threshold.ts';
import golden from './golden/psi.json' with { type: 'json' };
import { psi } from './psi.ts';

const counts = fc.array(fc.tuple(fc.nat(1000), fc.nat(1000)), { minLength: 1, maxLength: 40 });
const total = (list: readonly number[]): number => list.reduce((sum, count) => sum + count, 0);

for (const { name, input, params, expected } of golden.cases) {
  test(`PSI agrees with the reference value: ${name}`, () => {
    let { reference_counts: reference, current_counts: current } = input;
    if (input.reference && input.current) {
      const edges = frozenBins(Float64Array.from(input.reference), { bins: params.bins ?? 10 });
      assert.equal(edges.length, expected.edges?.length);
      for (const [i, edge] of edges.entries()) assert.ok(Math.abs(edge - expected.edges![i]) <= 1e-12, `edge ${i}`);
      reference = [...countBins(edges, Float64Array.from(input.reference)).bins];
      current = [...countBins(edges, Float64Array.from(input.current)).bins];
      assert.deepEqual(reference, expected.reference_counts);
      assert.deepEqual(current, expected.current_counts);
    }
    const actual = psi(reference ?? [], current ?? [], { epsilon: params.epsilon });
    assert.ok(actual !== null && Math.abs(actual - expected.psi) <= 1e-12 + 1e-10 * expected.psi, `${actual}`);
  });
}

test('PSI is never negative and does not depend on which window is the reference', () => {
  fc.assert(
    fc.property(counts, (pairs) => {
      const [a, b] = [pairs.map(([left]) => left), pairs.map(([, right]) => right)];
      fc.pre(total(a) > 0 && total(b) > 0);
      const [there, back] = [psi(a, b), psi(b, a)];
      assert.ok(there !== null && back !== null && there >= 0 && Math.abs(there - back) <= 1e-9);
    }),
  );
});

test('PSI of equal shares is 0 whatever the sizes of the windows, and positive otherwise', () => {
  fc.assert(
    fc.property(counts, fc.integer({ min: 1, max: 50 }), (pairs, times) => {
      const a = pairs.map(([left]) => left);
      fc.pre(total(a) > 0);
      assert.ok(
        (psi(
          a,
          a.map((count) => count * times),
        ) ?? 1) < 1e-12,
      );
    }),
  );
  assert.ok((psi([50, 50], [51, 49]) ?? 0) > 0);
});

test('PSI of an empty window is undefined, and bins that do not match are refused', () => {
  assert.equal(psi([0, 0], [1, 2]), null);
  assert.equal(psi([1, 2], [0, 0]), null);
  assert.throws(() => psi([1, 2], [1]), { code: 'math/bad-input' });
  assert.throws(() => psi([1, -2], [1, 2]), { code: 'math/bad-input' });
});

test('a calibrated threshold lets the stated share of quiet windows pass, above its floor', () => {
  const quiet = Float64Array.from({ length: 101 }, (_, i) => i / 100);
  const { threshold, windows, falseAlarmRateMax } = calibratedThreshold(quiet, { quantile: 0.9 });
  assert.equal(threshold, 0.9);
  assert.equal(windows, 101);
  assert.equal(falseAlarmRateMax, 11 / 102);
  assert.equal(calibratedThreshold(quiet.map((value) => value / 100)).threshold, 0.05);
});

test('thirty quiet windows of a drifting feature put the threshold over the customary .2', () => {
  const daily = Array.from({ length: 30 }, (_, day) => 0.15 + 0.01 * day);
  const { threshold, falseAlarmRateMax } = calibratedThreshold(daily);
  assert.ok(threshold > 0.43 && threshold <= 0.44);
  assert.equal(falseAlarmRateMax, 2 / 31, 'the .99 quantile of 30 windows lies between the two largest');
});

test('too few held-out windows are refused with the number that is needed', () => {
  assert.throws(() => calibratedThreshold(new Float64Array(19)), { code: 'math/too-few-windows', message: /19.*20/ });
  assert.throws(() => calibratedThreshold([1, Number.NaN, 3], { windowsMin: 2 }), { code: 'math/bad-input' });
});
