import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Random, seededRandom } from '#core/random';
import golden from './golden/proportions.json' with { type: 'json' };
import { proportionInterval } from './proportion.ts';
import { rateExceeds } from './rate-limit.ts';

for (const { name, input, params, expected } of golden.cases) {
  test(`the exact interval agrees with statsmodels: ${name}`, () => {
    const { low, high } = proportionInterval(input, { confidence: params.confidence });
    const [expectedLow, expectedHigh] = expected.beta;
    assert.ok(Math.abs(low - expectedLow) <= 1e-9 && Math.abs(high - expectedHigh) <= 1e-9, `${low} ${high}`);
  });
}

test('the exact interval holds the observed share, is mirrored with it, and is [0, 1] without trials', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), fc.nat(), (trials, draw) => {
      const successes = draw % (trials + 1);
      const { low, high } = proportionInterval({ successes, trials });
      assert.ok(0 <= low && low <= successes / trials && successes / trials <= high && high <= 1);
      const mirrored = proportionInterval({ successes: trials - successes, trials });
      assert.ok(Math.abs(mirrored.low - (1 - high)) < 1e-9 && Math.abs(mirrored.high - (1 - low)) < 1e-9);
    }),
    { numRuns: 50 },
  );
  assert.deepEqual(proportionInterval({ successes: 0, trials: 0 }), { low: 0, high: 1 });
  assert.throws(() => proportionInterval({ successes: 2, trials: 1 }), {
    code: 'math/bad-input',
    message: /successes/,
  });
});

test('the evidence against a limit is a martingale: the average over the next request is what it was', () => {
  fc.assert(
    fc.property(fc.nat(300), fc.nat(300), fc.constantFrom(0.001, 0.02, 0.3), (errors, successes, limit) => {
      const requests = errors + successes;
      const { logEvidence } = rateExceeds({ errors, requests }, { limit });
      const step = (failed: 0 | 1): number =>
        Math.exp(rateExceeds({ errors: errors + failed, requests: requests + 1 }, { limit }).logEvidence - logEvidence);
      const next = limit * step(1) + (1 - limit) * step(0);
      // The equality is exact in the mixture; what is left is rounding of logarithms.
      assert.ok(Math.abs(next - 1) <= 1e-8, `${next}`);
    }),
  );
  assert.ok(Math.abs(rateExceeds({ errors: 0, requests: 0 }, { limit: 0.02 }).logEvidence) < 1e-9);
});

/** Request at which the guardrail trips, with a look after each, or `null`. */
function tripsAt(random: Random, rate: number, requests: number): number | null {
  let errors = 0;
  for (let n = 1; n <= requests; n++) {
    if (random.next() < rate) errors++;
    if (rateExceeds({ errors, requests: n }, { limit: 0.02 }).exceeded) return n;
  }
  return null;
}

test('a rate at the limit trips the guardrail in at most 5 % of runs with a look after each request', (t) => {
  const random = seededRandom(1);
  const runs = 300;
  const tripped = Array.from({ length: runs }, () => tripsAt(random, 0.02, 1000)).filter((at) => at !== null).length;
  t.diagnostic(`${tripped} of ${runs} runs of 1000 requests tripped`);
  assert.ok(tripped / runs <= 0.05);
});

test('a rate of five times the limit trips the guardrail within some hundred requests', (t) => {
  const random = seededRandom(2);
  const at = Array.from({ length: 200 }, () => tripsAt(random, 0.1, 1000) ?? Number.POSITIVE_INFINITY).sort(
    (a, b) => a - b,
  );
  t.diagnostic(`median ${at[100]}, 95 % by ${at[190]} requests`);
  assert.ok(at[100] <= 100 && at[190] <= 300);
});

test('the guardrail stays a number over millions of requests', () => {
  assert.equal(rateExceeds({ errors: 10_000, requests: 1_000_000 }, { limit: 0.02 }).exceeded, false);
  assert.equal(rateExceeds({ errors: 21_000, requests: 1_000_000 }, { limit: 0.02 }).exceeded, true);
  assert.equal(rateExceeds({ errors: 500_000, requests: 1_000_000 }, { limit: 0.02 }).exceeded, true);
  assert.throws(() => rateExceeds({ errors: 2, requests: 1 }, { limit: 0.02 }), { message: /errors/ });
});
