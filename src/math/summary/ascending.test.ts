import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascending } from './ascending.ts';

test('values come in the order of numbers and without NaN, and the input stays as it is', () => {
  for (const array of [fc.float32Array({ maxLength: 300 }), fc.float64Array({ maxLength: 300 })]) {
    fc.assert(
      fc.property(array, (values) => {
        const before = values.slice();
        const expected = [...values]
          .filter((value) => !Number.isNaN(value))
          .sort((a, b) => a - b || order(a) - order(b));
        assert.deepEqual([...ascending(values)], expected);
        assert.deepEqual(values, before);
      }),
    );
  }
});

/** −0 before 0, which are equal to `<`. */
function order(value: number): number {
  return Object.is(value, -0) ? 0 : 1;
}
