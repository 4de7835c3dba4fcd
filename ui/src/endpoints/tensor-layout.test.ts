import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formOf, type RecordedTensor, rowsOf } from './tensor-layout.ts';

const tensor = (shape: number[], data: RecordedTensor['data'], datatype = 'FP32'): RecordedTensor => ({
  ...{ name: 'x', datatype, shape },
  ...(data ? { data } : {}),
});

test('a tensor is rows of its last dimension, each at its place, with the greatest of its numbers', () => {
  assert.deepEqual(rowsOf(tensor([2, 1, 3], [1, 5, 2, 0, -1, 0])), [
    { place: '0, 0', values: [1, 5, 2], greatest: 1 },
    { place: '1, 0', values: [0, -1, 0], greatest: 0 },
  ]);
  assert.deepEqual(rowsOf(tensor([2], ['a', 'b'], 'BYTES')), [{ place: '', values: ['a', 'b'], greatest: undefined }]);
  // A whole number is a decision by itself, and what is no number is greater than nothing.
  assert.equal(rowsOf(tensor([2], [3, 4], 'INT64'))?.[0]?.greatest, undefined);
  assert.equal(rowsOf(tensor([2], [3, null]))?.[0]?.greatest, undefined);
  assert.deepEqual(rowsOf(tensor([], [7])), [{ place: '', values: [7], greatest: undefined }]);
  assert.equal(formOf(tensor([], [7])), 'FP32 []');
});

test('what is no table is none: wide, long, empty, or kept in part', () => {
  assert.equal(rowsOf(tensor([1, 17], Array(17).fill(0))), undefined);
  assert.equal(rowsOf(tensor([65, 1], Array(65).fill(0))), undefined);
  assert.equal(rowsOf(tensor([0, 3], [])), undefined);
  assert.equal(rowsOf(tensor([224, 224], undefined)), undefined);
});
