import assert from 'node:assert/strict';
import { test } from 'node:test';
import { predictGbdt } from './predict.ts';
import type { CategoryColumn, Table } from './table.ts';
import { numericTable } from './testing.ts';
import { type GbdtInput, trainGbdt } from './train.ts';

const table = numericTable([1, 2, 3, 4], [5, 6, 7, 8]);
const label = Float32Array.of(0, 1, 0, 1);
const good: GbdtInput = { train: table, label, params: { minLeafRows: 1 } };

function category(codes: readonly number[], categories: readonly string[]): Table {
  const column: CategoryColumn = { name: 'c', kind: 'category', codes: Int32Array.from(codes), categories };
  return { rows: codes.length, columns: [column] };
}

const cases: readonly (readonly [name: string, input: Partial<GbdtInput>, code: string, message: RegExp])[] = [
  [
    'a column of another length',
    { train: { ...table, rows: 5 } },
    'invalid-table',
    /^train\.columns\.x0 has 4 values, but the table has 5 rows$/,
  ],
  ['no column', { train: { rows: 4, columns: [] } }, 'invalid-table', /^train\.columns must hold at least one column$/],
  [
    'a name twice',
    { train: { rows: 4, columns: [table.columns[0]!, table.columns[0]!] } },
    'invalid-table',
    /^train\.columns\.x0 is there twice/,
  ],
  [
    'an infinite value',
    { train: numericTable([1, 2, Infinity, 4]) },
    'invalid-table',
    /^train\.columns\.x0 row 2 is Infinity; use NaN/,
  ],
  [
    'a code out of range',
    { train: category([0, 1, 2, -1], ['a', 'b']) },
    'invalid-table',
    /^train\.columns\.c row 2 has code 2; codes go from -1 \(missing\) to 1$/,
  ],
  [
    'a category twice',
    { train: category([0, 1, 0, 1], ['a', 'a']) },
    'invalid-table',
    /^train\.columns\.c\.categories must be distinct$/,
  ],
  [
    'too many columns',
    { train: numericTable(...Array(4097).fill([1, 2, 3, 4])) },
    'limit-exceeded',
    /^train\.columns has 4097, the limit is 4096$/,
  ],
  ['no rows', { train: numericTable([]), label: new Float32Array() }, 'invalid-label', /^train has no rows$/],
  ['a label too few', { label: label.subarray(1) }, 'invalid-label', /^label has 3 values, but the table has 4 rows$/],
  [
    'a label that is neither 0 nor 1',
    { label: Float32Array.of(0, 1, 2, 1) },
    'invalid-label',
    /^label row 2 is 2; a binary label is 0 or 1$/,
  ],
  [
    'no positive label',
    { label: new Float32Array(4) },
    'invalid-label',
    /^label has no positive row \(1\); binary needs both/,
  ],
  [
    'no negative label',
    { label: new Float32Array(4).fill(1) },
    'invalid-label',
    /^label has no negative row \(0\); binary needs both/,
  ],
  [
    'positive labels of weight 0 only',
    { weight: Float32Array.of(1, 0, 1, 0) },
    'invalid-label',
    /^label has no positive row/,
  ],
  [
    'a missing regression label',
    { label: Float32Array.of(1, 2, Number.NaN, 4), params: { objective: 'regression' } },
    'invalid-label',
    /^label row 2 is NaN; a regression label is a finite number$/,
  ],
  [
    'a negative weight',
    { weight: Float32Array.of(1, 1, -1, 1) },
    'invalid-label',
    /^weight row 2 is -1; a weight is finite and at least 0$/,
  ],
  ['no weight at all', { weight: new Float32Array(4) }, 'invalid-label', /^weight is 0 in every row$/],
  [
    'too many bins',
    { params: { maxBins: 256 } },
    'invalid-parameter',
    /^params\.maxBins must be an integer from 2 to 255, got 256$/,
  ],
  [
    'two parameters out of range',
    { params: { learningRate: 0, leaves: 1.5 } },
    'invalid-parameter',
    /^params\.leaves must be an integer from 2 to 4096, got 1\.5; params\.learningRate must be a number above 0 to 1/,
  ],
  [
    'early stopping without validation',
    { params: { earlyStoppingRounds: 5 } },
    'invalid-parameter',
    /^params\.earlyStoppingRounds needs validation rows/,
  ],
  [
    'validation without a trained column',
    { valid: { table: numericTable([1]), label: Float32Array.of(1) } },
    'invalid-table',
    /^valid\.table\.columns\.x1 is absent; the model was trained with the columns x0, x1$/,
  ],
];

for (const [name, input, code, message] of cases) {
  test(`training refuses ${name}`, () => {
    assert.throws(
      () => trainGbdt({ ...good, ...input }),
      (error: Error & { code?: string; fields?: unknown[] }) => {
        assert.equal(error.code, `gbdt/${code}`);
        assert.match(error.message, message);
        assert.ok((error.fields?.length ?? 0) > 0);
        return true;
      },
    );
  });
}

test('an unknown parameter is refused by name, so that a spelling mistake is not ignored', () => {
  const params = JSON.parse('{"learning_rate": 0.1}');
  assert.throws(
    () => trainGbdt({ ...good, params }),
    /params\.learning_rate is not a parameter; known are trees, leaves/,
  );
});

test('scoring refuses a column that is absent or of another kind, by name', () => {
  const model = trainGbdt(good);
  assert.throws(() => predictGbdt(model, numericTable([1])), /table\.columns\.x1 is absent/);
  const wrong: Table = {
    rows: 1,
    columns: [{ name: 'x0', kind: 'category', codes: Int32Array.of(0), categories: ['a'] }],
  };
  assert.throws(
    () => predictGbdt(model, wrong),
    /table\.columns\.x0 is a category column, the model expects a numeric one/,
  );
});
