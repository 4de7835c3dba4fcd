import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#core/random';
import { confidenceSequence, relativeDifference } from './confidence-sequence.ts';
import { shareSequence } from './share-sequence.ts';

test('the interval of the published example agrees to five decimals', () => {
  const arm = (successes: number, count: number) => {
    const mean = successes / count;
    return { mean, variance: mean * (1 - mean), count };
  };
  const estimate = relativeDifference(arm(1396, 3000), arm(2422, 3461));
  const { low, high } = confidenceSequence(estimate);
  assert.deepEqual(
    [estimate.value, low, high].map((value) => value.toFixed(5)),
    ['0.50386', '0.40098', '0.60675'],
  );
});

test('without a success the upper end is the one in closed form, and without trials everything is possible', () => {
  for (const trials of [1, 7, 100, 5_000]) {
    const { low, high } = shareSequence({ successes: 0, trials }, { alpha: 0.05 });
    assert.equal(low, 0);
    const expected = 1 - (0.05 / (trials + 1)) ** (1 / trials);
    assert.ok(Math.abs(high - expected) < 1e-9, `${trials}: ${high} is not ${expected}`);
  }
  assert.deepEqual(shareSequence({ successes: 0, trials: 0 }), { low: 0, high: 1 });
});

test('the sequence holds the estimate, is mirrored with it and widens with confidence', () => {
  const sample = fc
    .integer({ min: 1, max: 3000 })
    .chain((trials) => fc.record({ trials: fc.constant(trials), successes: fc.integer({ min: 0, max: trials }) }));
  fc.assert(
    fc.property(sample, ({ successes, trials }) => {
      const { low, high } = shareSequence({ successes, trials });
      const estimate = successes / trials;
      assert.ok(0 <= low && low <= estimate && estimate <= high && high <= 1);
      const mirrored = shareSequence({ successes: trials - successes, trials });
      assert.ok(Math.abs(mirrored.low - (1 - high)) < 1e-9 && Math.abs(mirrored.high - (1 - low)) < 1e-9);
      const surer = shareSequence({ successes, trials }, { alpha: 0.001 });
      assert.ok(surer.low <= low && high <= surer.high);
    }),
  );
});

test('the truth is outside at some look of the first hundreds in at most 5 % of runs, where few succeed', (t) => {
  const random = seededRandom(11);
  const runs = 400;
  let missed = 0;
  for (let run = 0; run < runs; run++) {
    let successes = 0;
    for (let trials = 1; trials <= 400; trials++) {
      if (random.next() < 0.02) successes++;
      const { low, high } = shareSequence({ successes, trials });
      if (0.02 < low || 0.02 > high) {
        missed++;
        break;
      }
    }
  }
  t.diagnostic(`${missed} of ${runs} runs`);
  assert.ok(missed / runs <= 0.05);
});

test('bad samples are refused by field', () => {
  assert.throws(() => shareSequence({ successes: 2, trials: 1 }), { code: 'math/bad-input', message: /successes/ });
  assert.throws(() => shareSequence({ successes: 0, trials: 1 }, { alpha: 1 }), { message: /alpha/ });
  assert.throws(() => shareSequence({ successes: 0, trials: 1 }, { prior: { a: 0, b: 1 } }), { message: /prior/ });
});
