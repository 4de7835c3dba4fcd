import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { brier, expectedCalibrationError, logLoss, rocAuc } from './binary.ts';
import golden from './golden/binary.json' with { type: 'json' };

const rows = fc.array(
  fc.tuple(
    fc.integer({ min: 0, max: 64 }).map((n) => n / 64),
    fc.boolean(),
  ),
  { minLength: 1 },
);
const split = (table: readonly (readonly [number, boolean])[]): [Float64Array, Uint8Array] => [
  Float64Array.from(table, ([score]) => score),
  Uint8Array.from(table, ([, label]) => (label ? 1 : 0)),
];

for (const { name, input, expected } of golden.cases) {
  test(`binary metrics agree with scikit-learn: ${name}`, () => {
    const [p, y] = [Float64Array.from(input.p), Uint8Array.from(input.y_true)];
    const pairs: [number | null, number][] = [
      [rocAuc(p, y), expected.roc_auc],
      [logLoss(p, y), expected.log_loss],
      [brier(p, y), expected.brier],
      [expectedCalibrationError(p, y), expected.ece_10_equal_width],
    ];
    for (const [actual, value] of pairs) {
      assert.ok(actual !== null && Math.abs(actual - value) <= 1e-10 + 1e-9 * value, `${actual} is not ${value}`);
    }
  });
}

test('ROC AUC is the share of pairs in the right order, with ties as one half', () => {
  fc.assert(
    fc.property(rows, (table) => {
      const [scores, labels] = split(table);
      let [pairs, wins] = [0, 0];
      for (const [positive, isPositive] of table) {
        for (const [negative, other] of table) {
          if (!isPositive || other) continue;
          pairs++;
          wins += positive > negative ? 1 : positive === negative ? 0.5 : 0;
        }
      }
      assert.equal(rocAuc(scores, labels), pairs === 0 ? null : wins / pairs);
    }),
  );
});

test('ROC AUC keeps its value under increasing maps and order of rows, and is mirrored by swapping the classes', () => {
  fc.assert(
    fc.property(rows, (table) => {
      const [scores, labels] = split(table);
      const auc = rocAuc(scores, labels);
      assert.equal(
        rocAuc(
          scores.map((s) => Math.exp(3 * s) - 7),
          labels,
        ),
        auc,
      );
      assert.equal(rocAuc(...split(table.toReversed())), auc);
      const swapped = rocAuc(
        scores,
        labels.map((label) => 1 - label),
      );
      assert.ok(auc === null ? swapped === null : Math.abs(1 - auc - swapped!) < 1e-12);
    }),
  );
});

test('only ROC AUC needs both classes; without rows every metric is undefined', () => {
  const scores = Float32Array.of(0.25, 0.75);
  const ones = Float32Array.of(1, 1);
  assert.equal(rocAuc(scores, ones), null);
  assert.ok(Math.abs(logLoss(scores, ones)! + Math.log(0.25 * 0.75) / 2) < 1e-12);
  assert.equal(brier(scores, ones), (0.75 ** 2 + 0.25 ** 2) / 2);
  assert.equal(expectedCalibrationError(scores, ones), 0.5);
  const none = new Float64Array(0);
  for (const metric of [rocAuc, logLoss, brier, expectedCalibrationError]) assert.equal(metric(none, none), null);
});

test('a certain and wrong prediction costs 36 nats, not infinity', () => {
  assert.ok(Math.abs(logLoss(Float64Array.of(1), Uint8Array.of(0))! - 36.0437) < 1e-3);
});

test('bad rows are refused by their place', () => {
  const labels = Uint8Array.of(1, 0);
  assert.throws(() => rocAuc(Float64Array.of(1), labels), { code: 'math/bad-input', message: /labels/ });
  assert.throws(() => rocAuc(Float64Array.of(1, Number.NaN), labels), { message: /scores\.1/ });
  assert.throws(() => brier(Float64Array.of(0.5, 1.5), labels), { message: /probabilities\.1.*1\.5/ });
  assert.throws(() => logLoss(Float64Array.of(0.5, 0.5), Uint8Array.of(1, 2)), { message: /labels\.1.*2/ });
});
