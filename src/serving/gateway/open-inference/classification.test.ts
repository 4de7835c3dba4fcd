import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { classify } from './classification.ts';

test('the greatest values of each row come first, equal ones in their order, and those that are none last', () => {
  const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(Number.NaN, Infinity, -Infinity));
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 40 }),
      fc.array(value, { minLength: 120, maxLength: 120 }),
      (rows, width, count, numbers) => {
        const values = Float32Array.from(numbers.slice(0, rows * width));
        const tensor = { name: 'p', datatype: 'FP32', shape: [rows, width], values } as const;
        const found = classify(tensor, { count, batched: true, labels: ['first'] });

        const rank = (x: number): number => (Number.isNaN(x) ? Number.NEGATIVE_INFINITY : x);
        const expected = Array.from({ length: rows }, (_, row) => {
          const places = Array.from({ length: width }, (_, place) => place);
          const at = (place: number): number => values[row * width + place] as number;
          places.sort((a, b) => {
            const missing = Number(Number.isNaN(at(a))) - Number(Number.isNaN(at(b)));
            if (missing !== 0) return missing;
            return at(a) === at(b) || Number.isNaN(at(a)) ? a - b : rank(at(b)) > rank(at(a)) ? 1 : -1;
          });
          return places.slice(0, count).map((place) => `${at(place)}:${place}${place === 0 ? ':first' : ''}`);
        }).flat();
        assert.deepEqual(found.values, expected);
        assert.deepEqual(found.shape, [rows, Math.min(count, width)]);
      },
    ),
  );
});

test('64-bit numbers are written out in full, and texts have no classes', () => {
  const values = BigInt64Array.of(2n ** 60n, 2n ** 61n + 1n);
  const tensor = { name: 'n', datatype: 'INT64', shape: [2], values } as const;
  assert.deepEqual(classify(tensor, { count: 1, batched: false, labels: [] }).values, ['2305843009213693953:1']);
  const texts = { name: 't', datatype: 'BYTES', shape: [1], values: ['a'] } as const;
  assert.throws(() => classify({ ...texts, values: ['a'] }, { count: 1, batched: false, labels: [] }), /no classes/);
});
