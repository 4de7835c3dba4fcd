import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { seededRandom } from '#core/random';
import { predictGbdt, type Table } from '#learn/gbdt';
import { permutationImportance } from './permutation.ts';
import { type DumpedTree, modelOfDump } from './testing.ts';

interface Golden {
  readonly init: number;
  readonly trees: readonly DumpedTree[];
  readonly rows: readonly (readonly number[])[];
  readonly prediction: readonly number[];
  readonly y: readonly number[];
  readonly permutations: readonly (readonly number[])[];
  readonly loss: number;
  readonly importance: readonly (readonly number[])[];
  readonly mean: readonly number[];
  readonly tolerance: { readonly abs: number; readonly rel: number };
}

const golden: Golden = JSON.parse(readFileSync(new URL('golden/permutation.json', import.meta.url), 'utf8'));

function squaredError(label: readonly number[]): (predictions: Float64Array) => number {
  return (predictions) => predictions.reduce((sum, p, row) => sum + (p - label[row]!) ** 2, 0) / label.length;
}

test('importances equal those computed with scikit-learn for the same permutations', async () => {
  const model = modelOfDump(golden.trees, 5, golden.init);
  const columns = model.features.map(({ name }, f) => ({
    name,
    kind: 'numeric' as const,
    values: Float32Array.from(golden.rows, (row) => row[f]!),
  }));
  const close = (got: number, expected: number): void => {
    const { abs, rel } = golden.tolerance;
    assert.ok(Math.abs(got - expected) <= abs + rel * Math.abs(expected), `${got} instead of ${expected}`);
  };
  const result = await permutationImportance({
    table: { rows: golden.rows.length, columns },
    predict: (table) => {
      return predictGbdt(model, table);
    },
    loss: squaredError(golden.y),
    permutations: golden.permutations,
  });
  close(result.loss, golden.loss);
  result.columns.forEach(({ mean, growth }, f) => {
    close(mean, golden.mean[f]!);
    growth.forEach((value, i) => {
      close(value, golden.importance[f]![i]!);
    });
  });
});

const rows = 200;
const random = seededRandom(1);
const draw = (): Float32Array => Float32Array.from({ length: rows }, () => random.next());
const codes = Int32Array.from({ length: rows }, () => random.int(3));
const table: Table = {
  rows,
  columns: [
    { name: 'used', kind: 'numeric', values: draw() },
    { name: 'ignored', kind: 'numeric', values: draw() },
    { name: 'category', kind: 'category', codes, categories: ['a', 'b', 'c'] },
  ],
};

/** 10 x used + category, by a scorer that is not a tree model and answers later. */
async function predict({ columns }: Table): Promise<Float64Array> {
  const [used, , category] = columns;
  assert.ok(used?.kind === 'numeric' && category?.kind === 'category');
  return Float64Array.from(used.values, (x, row) => 10 * x + category.codes[row]!);
}

test('any scorer is judged: an ignored column matters nothing, a weightier one more', async () => {
  const label = [...(await predict(table))];
  const importance = (seed: number): ReturnType<typeof permutationImportance> =>
    permutationImportance({
      table,
      predict,
      loss: squaredError(label),
      permutations: { random: seededRandom(seed), count: 4 },
    });
  const { loss, columns } = await importance(1);
  assert.equal(loss, 0);
  assert.deepEqual(
    columns.map(({ name }) => name),
    ['used', 'ignored', 'category'],
  );
  const [used, ignored, category] = columns;
  assert.deepEqual(ignored, { name: 'ignored', mean: 0, deviation: 0, growth: [0, 0, 0, 0] });
  assert.ok(used!.mean > category!.mean && category!.mean > 0 && used!.deviation > 0);
  assert.deepEqual(await importance(1), { loss, columns });
  assert.notDeepEqual(await importance(2), { loss, columns });
});

test('no permutation, too many, or one that repeats a row is refused', async () => {
  const run = (permutations: Parameters<typeof permutationImportance>[0]['permutations']): Promise<unknown> =>
    permutationImportance({ table, predict, loss: () => 0, permutations });
  await assert.rejects(run([]), { code: 'explain/invalid-input', message: 'permutations must be 1 to 100, got 0' });
  await assert.rejects(run({ random, count: 101 }), { message: 'permutations must be 1 to 100, got 101' });
  await assert.rejects(run([new Uint32Array(rows)]), { message: 'permutations.0 must hold each of the 200 rows once' });
});
