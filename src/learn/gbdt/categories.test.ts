import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeCategories, rankCategories } from './categories.ts';
import type { CategoryColumn } from './table.ts';

/** A column in which category k of `a`, `b`, … has `counts[k]` rows of which `positives[k]` are 1. */
function columnOf(
  counts: readonly number[],
  positives: readonly number[],
): { column: CategoryColumn; label: Float32Array } {
  const codes = counts.flatMap((count, code) => Array<number>(count).fill(code));
  const label = counts.flatMap((count, code) =>
    Array.from({ length: count }, (_, i) => (i < positives[code]! ? 1 : 0)),
  );
  const categories = counts.map((_, code) => String.fromCharCode(97 + code));
  return {
    column: { name: 'c', kind: 'category', codes: Int32Array.from(codes), categories },
    label: Float32Array.from(label),
  };
}

test('a rare category is drawn to the overall mean before it is ranked', () => {
  // Overall mean 61 / 201. Smoothed with 10 rows: a (1 + 3.03) / 11 = .37, b (60 + 3.03) / 110 = .57, c .03 / 110.
  const { column, label } = columnOf([1, 100, 100], [1, 60, 0]);
  assert.deepEqual(rankCategories(column, label), ['c', 'a', 'b']);
});

test('weights count as rows, and a weight of 0 leaves a category at the overall mean', () => {
  const { column, label } = columnOf([20, 20, 20], [20, 0, 10]);
  const weight = label.map((_, row) => (row < 20 ? 0 : row < 30 ? 3 : 1));
  // Rows of weight 3 are negatives of b: overall mean 10 / 60 = .17; a .17, b 1.7 / 50 = .03, c 11.7 / 30 = .39.
  assert.deepEqual(rankCategories(column, label, weight), ['b', 'a', 'c']);
});

test('equal means keep their order, and a category without rows has no rank', () => {
  const { column, label } = columnOf([10, 0, 10, 10], [5, 0, 5, 2]);
  assert.deepEqual(rankCategories(column, label), ['d', 'a', 'c']);
});

test('encoding goes by the text of a category; missing and unranked ones become NaN', () => {
  const asked: CategoryColumn = {
    name: 'c',
    kind: 'category',
    codes: Int32Array.of(0, 1, 2, -1, 1),
    categories: ['new', 'x', 'y'],
  };
  assert.deepEqual([...encodeCategories(asked, ['y', 'x'])], [Number.NaN, 1, 0, Number.NaN, 1]);
});
