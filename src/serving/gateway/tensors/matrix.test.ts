import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { instancesOf } from './columns.ts';
import { rowsOfMatrix } from './matrix.ts';
import type { TensorInput } from './tensor.ts';

const ROWS_MAX = 5;

/** What the reader of named columns makes of it: NaN for a missing number, undefined where it refuses. */
function byName(tensors: readonly TensorInput[], width: number): readonly (readonly unknown[])[] | undefined {
  const names = Array.from({ length: width }, (_, k) => `c${k}`);
  const columns = names.map((name) => ({ name, kind: 'numeric' as const }));
  try {
    const rows = instancesOf(tensors, { columns, entities: [], rowsMax: ROWS_MAX });
    return rows.map(({ inputs }) => names.map((name) => inputs[name] ?? Number.NaN));
  } catch {
    return undefined;
  }
}

const number = fc.float({ noNaN: true, noDefaultInfinity: true });

test('a matrix has the rows that it has column by column', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: ROWS_MAX }),
      fc.integer({ min: 1, max: 6 }),
      fc.array(fc.oneof(number, fc.constant(null)), { minLength: 30, maxLength: 30 }),
      fc.boolean(),
      (rows, width, numbers, binary) => {
        const data = numbers.slice(0, rows * width);
        const floats = Float32Array.from(data, (value) => value ?? Number.NaN);
        const values = binary ? { raw: Buffer.from(floats.buffer) } : { data };
        const tensors: TensorInput[] = [{ name: 'features', datatype: 'FP32', shape: [rows, width], ...values }];
        const found = rowsOfMatrix(tensors, { width, rowsMax: ROWS_MAX });

        assert.deepEqual(found, byName(tensors, width));
        assert.equal(found?.length, rows);
      },
    ),
  );
});

test('what is no matrix of numbers that a model can take is left to the reader that names what is wrong', () => {
  const strange = fc.oneof(
    number,
    fc.constantFrom(true, 'x', 1e39, Number.POSITIVE_INFINITY, undefined),
    fc.array(number),
  );
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -1, max: ROWS_MAX + 1 }), { minLength: 0, maxLength: 3 }),
      fc.array(strange, { maxLength: 12 }),
      fc.constantFrom('FP32', 'INT32', 'BYTES', 'none'),
      fc.constantFrom('features', 'c0'),
      (shape, data, datatype, name) => {
        const tensors = [{ name, datatype, shape, data }];
        const found = rowsOfMatrix(tensors, { width: 2, rowsMax: ROWS_MAX });

        if (found) assert.deepEqual(found, byName(tensors, 2));
      },
    ),
  );
  for (const value of [1e39, true, 'x', undefined, Number.NEGATIVE_INFINITY]) {
    const tensors = [{ name: 'features', datatype: 'FP32', shape: [1, 2], data: [1, value] }];
    assert.equal(rowsOfMatrix(tensors, { width: 2, rowsMax: ROWS_MAX }), undefined);
  }
  const infinite = Buffer.from(Float32Array.of(1, Number.POSITIVE_INFINITY).buffer);
  const tensors = [{ name: 'features', datatype: 'FP32', shape: [1, 2], raw: infinite }];
  assert.equal(rowsOfMatrix(tensors, { width: 2, rowsMax: ROWS_MAX }), undefined);
});
