import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { instancesOf, type TensorPlan } from './columns.ts';

test('a matrix and a tensor a column give the same rows, in any order and datatype that holds the numbers', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 8 }),
      fc.array(fc.integer({ min: -128, max: 127 }), { minLength: 48, maxLength: 48 }),
      fc.constantFrom('INT8', 'INT16', 'INT32', 'INT64', 'FP32', 'FP64'),
      (rows, width, numbers, datatype) => {
        const names = Array.from({ length: width }, (_, k) => `c${k}`);
        const plan: TensorPlan = {
          columns: names.map((name) => ({ name, kind: 'numeric' })),
          entities: ['key'],
          rowsMax: 10,
        };
        const data = numbers.slice(0, rows * width);
        const key = {
          ...{ name: 'key', datatype: 'BYTES', shape: [rows, 1] },
          data: data.filter((_, i) => i % width === 0).map(String),
        };
        const matrix = instancesOf([{ name: 'features', datatype, shape: [rows, width], data }, key], plan);
        const columns = names.map((name, k) => ({
          ...{ name, datatype, shape: [rows] },
          data: data.filter((_, i) => i % width === k),
        }));
        const separate = instancesOf([key, ...columns.reverse()], plan);

        const plain = (found: ReturnType<typeof instancesOf>): unknown =>
          found.map(({ inputs, entities }) => [{ ...inputs }, entities]);
        assert.deepEqual(plain(matrix), plain(separate));
        assert.deepEqual(
          plain(matrix),
          Array.from({ length: rows }, (_, row) => [
            Object.fromEntries(names.map((name, k) => [name, data[row * width + k]])),
            { key: String(data[row * width]) },
          ]),
        );
      },
    ),
  );
});

test('the widest matrix of a body is read in one pass', () => {
  const [rows, width] = [1_000, 1_000];
  const names = Array.from({ length: width }, (_, k) => `c${k}`);
  const raw = Buffer.from(Float32Array.from({ length: rows * width }, (_, i) => i).buffer);
  const plan: TensorPlan = { columns: names.map((name) => ({ name, kind: 'numeric' })), entities: [], rowsMax: rows };
  const found = instancesOf([{ name: 'features', datatype: 'FP32', shape: [rows, width], raw }], plan);

  assert.equal(found.length, rows);
  assert.equal(found[999]?.inputs['c999'], 999_999);
});
