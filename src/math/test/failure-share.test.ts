import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Random, seededRandom } from '#core/random';
import { addFailures, checkFailures, startFailureShare } from './failure-share.ts';

/** ln of n over k. */
function logChoose(n: number, k: number): number {
  let sum = 0;
  for (let i = 0; i < k; i++) sum += Math.log(n - i) - Math.log(i + 1);
  return sum;
}

test('if the odds of a failure are the tolerated ones, the evidence grows by nothing on average', () => {
  const side = fc.integer({ min: 1, max: 60 });
  const block = fc.record({ baseline: side, candidate: side, tolerated: fc.constantFrom(1, 1.5, 2, 10) });
  fc.assert(
    fc.property(block, fc.nat(), fc.nat(5), ({ baseline, candidate, tolerated }, draw, before) => {
      const failures = draw % (baseline + candidate + 1);
      const start = addFailures(
        startFailureShare({ tolerated }),
        { requests: 10, failures: 0 },
        { requests: 10, failures: before },
      );
      const { logEvidence } = checkFailures(start);
      let [mean, total] = [0, 0];
      for (let k = Math.max(0, failures - baseline); k <= Math.min(failures, candidate); k++) {
        // Fisher's noncentral hypergeometric law, the largest terms of which are far from overflowing.
        const ways = logChoose(candidate, k) + logChoose(baseline, failures - k);
        const chance = Math.exp(ways - logChoose(baseline + candidate, failures)) * tolerated ** k;
        const after = addFailures(
          start,
          { requests: baseline, failures: failures - k },
          { requests: candidate, failures: k },
        );
        total += chance;
        mean += chance * Math.exp(checkFailures(after).logEvidence - logEvidence);
      }
      mean /= total;
      assert.ok(mean <= 1 + 1e-9, `${mean}`);
    }),
  );
});

interface Scene {
  /** Probability of a failure, of the baseline and of the candidate, in block t. */
  readonly rates: (t: number) => readonly [number, number];
  readonly requests: readonly [number, number];
}

function worseAt(random: Random, { rates, requests }: Scene, blocks: number): number | null {
  let state = startFailureShare();
  const failuresOf = (count: number, rate: number): number => {
    let failures = 0;
    for (let i = 0; i < count; i++) if (random.next() < rate) failures++;
    return failures;
  };
  for (let t = 0; t < blocks; t++) {
    const [base, other] = rates(t);
    const baseline = { requests: requests[0], failures: failuresOf(requests[0], base) };
    const candidate = { requests: requests[1], failures: failuresOf(requests[1], other) };
    state = addFailures(state, baseline, candidate);
    if (checkFailures(state).worse) return t + 1;
  }
  return null;
}

test('outages that both arms share are held against neither, however often one looks', (t) => {
  const random = seededRandom(31);
  const outage = (block: number): readonly [number, number] => (block % 20 < 3 ? [0.6, 0.6] : [0.01, 0.01]);
  const runs = 400;
  const wrong = Array.from({ length: runs }, () => worseAt(random, { rates: outage, requests: [95, 5] }, 100));
  const called = wrong.filter((at) => at !== null).length;
  t.diagnostic(`${called} of ${runs} runs of 100 blocks`);
  assert.ok(called / runs <= 0.05);
});

test('a candidate that fails one request in five is found within a dozen of its failures', (t) => {
  const random = seededRandom(32);
  const found = Array.from({ length: 100 }, () =>
    worseAt(random, { rates: () => [0.01, 0.2], requests: [95, 5] }, 200),
  );
  const blocks = found.map((at) => at ?? Number.MAX_VALUE).toSorted((a, b) => a - b);
  t.diagnostic(`median ${blocks[50]} blocks of 5 requests`);
  assert.ok((blocks[50] as number) <= 20);
});

test('a block of one arm or without failures tells nothing, and bad counts are refused by field', () => {
  const state = startFailureShare();
  const none = { requests: 0, failures: 0 };
  assert.equal(addFailures(state, none, { requests: 5, failures: 5 }), state);
  assert.equal(addFailures(state, { requests: 5, failures: 0 }, { requests: 5, failures: 0 }), state);
  assert.throws(() => addFailures(state, none, { requests: 1, failures: 2 }), { message: /candidate\.failures/ });
});
