import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Random, seededRandom } from '#core/random';
import { type Allocation, addAssignments, checkAllocation, splitAnew, startAllocation } from './allocation.ts';

const shares = fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 2, maxLength: 5 });

test('the evidence for a mismatch is a martingale, over changes of the split too', () => {
  fc.assert(
    fc.property(shares, shares, fc.array(fc.nat(500), { minLength: 5, maxLength: 5 }), (first, second, counts) => {
      const before = addAssignments(startAllocation(first), counts.slice(0, first.length));
      const state = addAssignments(splitAnew(before, second), counts.slice(0, second.length));
      const { logEvidence } = checkAllocation(state);
      const next = state.shares.reduce((sum, share, arm) => {
        const one = state.counts.map((_, i) => (i === arm ? 1 : 0));
        return sum + share * Math.exp(checkAllocation(addAssignments(state, one)).logEvidence - logEvidence);
      }, 0);
      // What is left is rounding of logarithms of large products.
      assert.ok(Math.abs(next - 1) <= 1e-6, `${next}`);
    }),
  );
});

/** Assignment at which a mismatch is found, with a look after each, or `null`. */
function foundAt(random: Random, { declared, real }: { declared: number; real: number }): number | null {
  let state: Allocation = startAllocation([1 - declared, declared]);
  for (let n = 1; n <= 4_000; n++) {
    state = addAssignments(state, random.next() < real ? [0, 1] : [1, 0]);
    if (checkAllocation(state, { alpha: 0.01 }).mismatch) return n;
  }
  return null;
}

test('a split as declared is rarely called a mismatch however often one looks, and a wrong one is found', (t) => {
  const random = seededRandom(21);
  const wrong = Array.from({ length: 300 }, () => foundAt(random, { declared: 0.05, real: 0.05 }));
  const called = wrong.filter((at) => at !== null).length;
  const found = Array.from({ length: 60 }, () => foundAt(random, { declared: 0.5, real: 0.6 }) ?? Number.MAX_VALUE);
  const median = found.toSorted((a, b) => a - b)[30] as number;
  t.diagnostic(`${called} of 300 splits as declared; 60 % for 50 % found after ${median} (median)`);
  assert.ok(called / 300 <= 0.02);
  assert.ok(median < 1_000);
});

test('assignments that fit no split are refused by field', () => {
  assert.throws(() => startAllocation([1]), { code: 'math/bad-input', message: /shares/ });
  assert.throws(() => startAllocation([1, 0]), { message: /shares/ });
  assert.throws(() => addAssignments(startAllocation([1, 1]), [1]), { message: /counts/ });
  assert.throws(() => addAssignments(startAllocation([1, 1]), [1, 0.5]), { message: /counts/ });
});
