import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom, shuffle } from '#core/random';
import { groupRows, timeOrder } from './time-order.ts';

const sorted = (times: Float64Array): number[] => [...times.keys()].sort((a, b) => times[a]! - times[b]! || a - b);

describe('timeOrder', () => {
  it('is a stable ascending sort over any range up to 2^53, for few rows and for many', () => {
    const range = fc.constantFrom(1, 2, 2 ** 11 - 1, 2 ** 11, 2 ** 22, 2 ** 22 + 1, 2 ** 34, 2 ** 44, 2 ** 52);
    fc.assert(
      fc.property(range, fc.integer({ min: 0, max: 300 }), fc.integer(), (width, rows, seed) => {
        const random = seededRandom(seed);
        const low = -Math.floor(width / 3);
        const times = Float64Array.from({ length: rows }, (_, i) =>
          i < 2 ? low + i * width : low + Math.floor(random.next() * (width + 1)),
        );
        shuffle(times, random);
        assert.deepEqual([...timeOrder(times)], sorted(times));
      }),
      { numRuns: 500 },
    );
  });
});

describe('groupRows', () => {
  it('keeps the order inside each group and drops rows without a group', () => {
    const groupOf = Int32Array.of(1, -1, 0, 1, 1);
    const { starts, rows, largest } = groupRows(groupOf, 3, Int32Array.of(4, 3, 2, 1, 0));
    assert.deepEqual([...starts], [0, 1, 4, 4]);
    assert.deepEqual([...rows], [2, 4, 3, 0]);
    assert.equal(largest, 3);
  });
});
