import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareTensors } from './compare.ts';
import type { Datatype, TensorValues } from './datatypes.ts';
import type { Tensor } from './tensor.ts';

const of = (datatype: Datatype, shape: readonly number[], values: TensorValues): Tensor => ({
  ...{ name: 'y', datatype, shape, values },
});
const floats = (shape: readonly number[], ...values: number[]): Tensor => of('FP32', shape, Float32Array.from(values));

test('of several numbers side by side, another greatest one is a flip; one by itself decides nothing', () => {
  const rows = (...values: number[]) => [floats([2, 3], ...values)];
  const alike = compareTensors(rows(1, 0, 0, 0, 0, 4), rows(3, 2, 0, 0, 0, 2));
  assert.deepEqual(alike, { maxAbs: 2, maxRel: 1, flipped: false, unlike: false });
  assert.equal(compareTensors(rows(1, 0, 0, 0, 0, 4), rows(1, 0, 0, 5, 0, 4)).flipped, true);
  for (const shape of [[2, 1], [2]]) {
    const single = compareTensors([floats(shape, 0.2, 0.9)], [floats(shape, 0.9, 0.2)]);
    assert.equal(single.flipped, undefined);
    assert.ok(Math.abs(single.maxAbs - 0.7) < 1e-6);
  }
});

test('whole numbers, truth values and texts decide by themselves', () => {
  for (const [datatype, a, b] of [
    ['INT64', BigInt64Array.from([7n]), BigInt64Array.from([8n])],
    ['BOOL', Uint8Array.from([1]), Uint8Array.from([0])],
    ['BYTES', ['cat'], ['dog']],
  ] as const) {
    assert.equal(
      compareTensors([of(datatype, [1], [...a] as never)], [of(datatype, [1], [...a] as never)]).flipped,
      false,
    );
    assert.equal(
      compareTensors([of(datatype, [1], a as TensorValues)], [of(datatype, [1], b as TensorValues)]).flipped,
      true,
    );
  }
});

test('half-precision numbers are compared as the numbers that they are', () => {
  const half = (...values: number[]) => {
    const view = new DataView(new ArrayBuffer(2 * values.length));
    for (const [i, value] of values.entries()) view.setFloat16(2 * i, value, true);
    return [of('FP16', [1, values.length], new Uint16Array(view.buffer))];
  };
  assert.deepEqual(compareTensors(half(1.5, -2), half(1.5, -4)), {
    ...{ maxAbs: 2, maxRel: 0.5, flipped: false, unlike: false },
  });
});

test('other forms, a missing output, and a number against none are unlike', () => {
  const one = [floats([1], 1)];
  for (const other of [
    [floats([1, 1], 1)],
    [of('FP64', [1], Float64Array.of(1))],
    [floats([1], Number.NaN)],
    [floats([1], Number.POSITIVE_INFINITY)],
    [{ ...floats([1], 1), name: 'z' }],
    [],
  ]) {
    assert.equal(compareTensors(one, other).unlike, true);
  }
  assert.equal(compareTensors([floats([1], Number.NaN)], [floats([1], Number.NaN)]).unlike, false);
});

test('an answer does not differ from itself, and two differ alike in either order', () => {
  const numbers = fc.float32Array({ minLength: 6, maxLength: 6 });
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const [left, right] = [[floats([2, 3], ...a)], [floats([2, 3], ...b)]];
      const { maxAbs, maxRel, flipped, unlike } = compareTensors(left, left);
      assert.deepEqual([maxAbs, maxRel, flipped, unlike], [0, 0, false, false]);
      assert.deepEqual(compareTensors(left, right), compareTensors(right, left));
      assert.ok(compareTensors(left, right).maxRel <= 2);
    }),
  );
});
