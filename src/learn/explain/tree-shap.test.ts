import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#core/random';
import { type GbdtModel, rawScores, type Table, type Tree, trainGbdt } from '#learn/gbdt';
import { type DumpedTree, modelOfDump } from './testing.ts';
import { treeShap } from './tree-shap.ts';

interface GoldenCase {
  readonly name: string;
  readonly trees: readonly DumpedTree[];
  readonly rows: readonly (readonly (number | string)[])[];
  readonly raw: readonly number[];
  readonly base: number;
  readonly phi: readonly (readonly number[])[];
  readonly tolerance: { readonly abs: number; readonly rel: number; readonly additivity_abs: number };
}

const golden: { cases: GoldenCase[] } = JSON.parse(
  readFileSync(new URL('golden/tree-shap.json', import.meta.url), 'utf8'),
);

for (const { name, trees, rows, raw, base, phi, tolerance } of golden.cases) {
  test(`Shapley values equal those of the shap package: ${name}`, () => {
    const model = modelOfDump(trees, 6);
    const columns = model.features.map(({ name: column }, f) => ({
      name: column,
      kind: 'numeric' as const,
      values: Float32Array.from(rows, (row) => Number(row[f])),
    }));
    const shap = treeShap(model, { rows: rows.length, columns });
    const close = (got: number, expected: number): void =>
      assert.ok(Math.abs(got - expected) <= tolerance.abs + tolerance.rel * Math.abs(expected), `${got}, ${expected}`);
    close(shap.base, base);
    phi.flat().forEach((expected, index) => {
      close(shap.values[index]!, expected);
    });
    raw.forEach((expected, row) => {
      const sum = shap.values.subarray(row * 6, row * 6 + 6).reduce((total, value) => total + value, shap.base);
      assert.ok(Math.abs(sum - expected) <= tolerance.additivity_abs);
    });
  });
}

/** A trained model with missing values and a category column, and rows to explain. */
function trained(seed: number, trees: number): { model: GbdtModel; table: Table } {
  const random = seededRandom(seed);
  const rows = 300;
  const numeric = (): Float32Array =>
    Float32Array.from({ length: rows }, () => (random.next() < 0.15 ? Number.NaN : random.next()));
  const codes = Int32Array.from({ length: rows }, () => random.int(4) - 1);
  const [a, b, c] = [numeric(), numeric(), numeric()];
  const table: Table = {
    rows,
    columns: [
      { name: 'a', kind: 'numeric', values: a },
      { name: 'k', kind: 'category', codes, categories: ['x', 'y', 'z'] },
      { name: 'b', kind: 'numeric', values: b },
      { name: 'c', kind: 'numeric', values: c },
    ],
  };
  const label = Float32Array.from(a, (x, row) =>
    random.next() + (x || 0) + codes[row]! * (b[row]! || 0.5) > 1 ? 1 : 0,
  );
  return { model: trainGbdt({ train: table, label, params: { trees, leaves: 10, minLeafRows: 4, seed } }), table };
}

test('base and values add up to the raw score of every row', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) => {
      const { model, table } = trained(seed, 15);
      const { base, values, features } = treeShap(model, table);
      assert.deepEqual(features, ['a', 'k', 'b', 'c']);
      rawScores(model, table).forEach((raw, row) => {
        const sum = values.subarray(row * 4, row * 4 + 4).reduce((total, value) => total + value, base);
        assert.ok(Math.abs(sum - raw) < 1e-9, `${sum} instead of ${raw}`);
      });
    }),
    { numRuns: 20 },
  );
});

/** E[tree | features in `known`]: unknown features go both ways in proportion to the training rows. */
function expectation(tree: Tree, row: readonly number[], known: number, node = 0): number {
  const feature = tree.feature[node]!;
  if (feature < 0) return tree.value[node]!;
  const side = (child: number): number => expectation(tree, row, known, child);
  const [left, right] = [tree.left[node]!, tree.right[node]!];
  if (known & (1 << feature)) {
    const x = row[feature]!;
    const goesLeft = Number.isNaN(x) ? tree.missingLeft[node] === 1 : x <= tree.threshold[node]!;
    return side(goesLeft ? left : right);
  }
  return (side(left) * tree.cover[left]! + side(right) * tree.cover[right]!) / tree.cover[node]!;
}

test('Shapley values equal their definition, summed over all subsets of features', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) => {
      const random = seededRandom(seed);
      const { model } = trained(seed, 5);
      const row = Array.from({ length: 4 }, () => (random.next() < 0.2 ? Number.NaN : Math.fround(random.next() * 2)));
      // The category column is asked as a numeric one: its ordinal is what the trees compare.
      const numeric: GbdtModel = { ...model, features: model.features.map(({ name }) => ({ name, kind: 'numeric' })) };
      const columns = numeric.features.map(({ name }, f) => ({
        name,
        kind: 'numeric' as const,
        values: Float32Array.of(row[f]!),
      }));
      const got = treeShap(numeric, { rows: 1, columns }).values;
      const factorial = [1, 1, 2, 6, 24];
      for (let f = 0; f < 4; f++) {
        let phi = 0;
        for (let known = 0; known < 16; known++) {
          if (known & (1 << f)) continue;
          const size = [0, 1, 2, 3].filter((bit) => known & (1 << bit)).length;
          const share = (factorial[size]! * factorial[3 - size]!) / 24;
          for (const tree of model.trees) {
            phi += share * (expectation(tree, row, known | (1 << f)) - expectation(tree, row, known));
          }
        }
        assert.ok(Math.abs(phi - got[f]!) < 1e-10, `feature ${f}: ${got[f]} instead of ${phi}`);
      }
    }),
    { numRuns: 40 },
  );
});
