import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#core/random';
import type { GbdtModel, Tree } from './model.ts';
import { gainImportance } from './model.ts';
import type { GbdtParams } from './params.ts';
import { predictGbdt, rawScores } from './predict.ts';
import type { CategoryColumn, Table } from './table.ts';
import { numericTable, rocAuc, uniform } from './testing.ts';
import { trainGbdt } from './train.ts';

/** Labels with P(1) = 1 / (1 + exp(-score(row))). */
function drawLabels(rows: number, seed: number, score: (row: number) => number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: rows }, (_, row) => (random.next() < 1 / (1 + Math.exp(-score(row))) ? 1 : 0));
}

const present = (x: number): number => (Number.isNaN(x) ? 0 : x);

test('the AUC comes within 0.005 of the best that any model can reach', () => {
  const rows = 40_000;
  const make = (seed: number): { table: Table; label: Float32Array; truth: Float64Array } => {
    const [a, b, c, d] = [1, 2, 3, 4].map((k) => uniform(rows, seed + k)) as [Float32Array, ...Float32Array[]];
    const score = (row: number): number =>
      6 * a[row]! * b![row]! + 2 * Math.sin(6 * c![row]!) - (d![row]! > 0.7 ? 2 : 0) - 1;
    const truth = Float64Array.from({ length: rows }, (_, row) => score(row));
    return { table: numericTable(a, b!, c!, d!, uniform(rows, seed + 5)), label: drawLabels(rows, seed, score), truth };
  };
  const train = make(10);
  const test = make(20);
  const model = trainGbdt({
    train: train.table,
    label: train.label,
    params: { trees: 150, leaves: 15, learningRate: 0.05 },
  });
  const reached = rocAuc(test.label, predictGbdt(model, test.table));
  const bayes = rocAuc(test.label, test.truth);
  assert.ok(bayes > 0.8 && bayes < 0.9, `the task has Bayes AUC ${bayes}`);
  assert.ok(reached > bayes - 0.005, `${reached} of ${bayes}`);
  const gains = gainImportance(model).map(({ gain }) => gain);
  assert.equal(Math.min(...gains), gains[4], 'the column without information has the least gain');
});

test('one split of six rows has the leaf values of the formula', () => {
  // Mean 4. Left: three rows, sum of residuals -6; right: three rows, +6. Leaf = sum / (rows + l2) x learning rate.
  const label = Float32Array.of(1, 2, 3, 5, 6, 7);
  const table = numericTable([10, 20, 30, 40, 50, 60]);
  const params: Partial<GbdtParams> = { objective: 'regression', trees: 1, leaves: 2, minLeafRows: 1 };
  const model = trainGbdt({ train: table, label, params: { ...params, l2: 2, learningRate: 0.5 } });
  assert.equal(model.baseScore, 4);
  const [tree] = model.trees;
  assert.equal(tree!.threshold[0], 35);
  assert.deepEqual([...tree!.value], [0, Math.fround(-6 / 5 / 2), Math.fround(6 / 5 / 2)]);
  assert.ok(Math.abs(tree!.gain[0]! - 2 * (36 / 5)) < 1e-9);
  const log = trainGbdt({
    train: table,
    label: label.map((y) => (y > 2 ? 1 : 0)),
    params: { leaves: 2, trees: 1, minLeafRows: 1 },
  });
  // Mean 2/3, so every hessian is 2/9: left -(2 x 2/3) / (2 x 2/9) x 0.1, right (4 x 1/3) / (4 x 2/9) x 0.1.
  assert.equal(log.baseScore, Math.fround(Math.log(2)));
  const values = [...log.trees[0]!.value];
  assert.ok(Math.abs(values[1]! + 0.3) < 1e-6 && Math.abs(values[2]! - 0.15) < 1e-6, `${values}`);
});

test('regression learns a smooth function of two columns', () => {
  const rows = 20_000;
  const a = uniform(rows, 1);
  const b = uniform(rows, 2);
  const target = (row: number): number => 1e5 + 300 * Math.sin(5 * a[row]!) + 200 * b[row]! * a[row]!;
  const label = Float32Array.from({ length: rows }, (_, row) => target(row));
  const table = numericTable(a, b);
  const model = trainGbdt({ train: table, label, params: { objective: 'regression', trees: 200 } });
  const errors = predictGbdt(model, table).map((value, row) => (value - target(row)) ** 2);
  const rmse = Math.sqrt(errors.reduce((sum, error) => sum + error, 0) / rows);
  assert.ok(rmse < 5, `rmse ${rmse}`);
});

test('a monotone transformation of a column changes no prediction on the training rows', () => {
  const transforms = fc.constantFrom<(x: number) => number>(
    (x) => Math.exp(3 * x),
    (x) => -1 / (x + 0.01),
    (x) => 1e6 * x - 5e5,
    (x) => Math.sqrt(x),
  );
  fc.assert(
    fc.property(transforms, fc.integer({ min: 1, max: 1e6 }), (transform, seed) => {
      const rows = 400;
      // A grid of 512 values keeps values distinct after rounding to float32.
      const a = uniform(rows, seed).map((x) => (x < 0.1 ? Number.NaN : Math.round(x * 512) / 512));
      const b = uniform(rows, seed + 1);
      const label = drawLabels(rows, seed, (row) => 4 * present(a[row]!) - 3 * b[row]!);
      const params = { trees: 8, leaves: 7, minLeafRows: 3 };
      const plain = numericTable(a, b);
      const bent = numericTable(a.map(transform), b);
      assert.deepEqual(
        predictGbdt(trainGbdt({ train: plain, label, params }), plain),
        predictGbdt(trainGbdt({ train: bent, label, params }), bent),
      );
    }),
    { numRuns: 30 },
  );
});

test('a missing value goes where missing values went in training', () => {
  const rows = 2000;
  const random = seededRandom(4);
  const values = Float32Array.from({ length: rows }, () => (random.next() < 0.3 ? Number.NaN : random.next()));
  for (const missingLabel of [0, 1]) {
    const label = values.map((x) => (Number.isNaN(x) ? missingLabel : x > 0.5 ? 1 : 0));
    const model = trainGbdt({ train: numericTable(values), label, params: { trees: 30 } });
    const [missing, low, high] = predictGbdt(model, numericTable([Number.NaN, 0.1, 0.9]));
    assert.ok(Math.abs(missing! - missingLabel) < 0.1, `missing scores ${missing}`);
    assert.ok(low! < 0.1 && high! > 0.9);
  }
});

test('a column in which only missing against present matters is split there', () => {
  const values = uniform(1000, 3).map((x, row) => (row % 3 === 0 ? Number.NaN : x));
  const label = Float32Array.from(values, (x) => (Number.isNaN(x) ? 1 : 0));
  const model = trainGbdt({ train: numericTable(values), label, params: { trees: 20 } });
  const [missing, low, high] = predictGbdt(model, numericTable([Number.NaN, -1e30, 1e30]));
  assert.ok(missing! > 0.8 && low! < 0.2 && high! < 0.2);
});

test('a missing value in a column that never missed one goes with the majority of the rows', () => {
  for (const ones of [30, 70]) {
    const values = Float32Array.from({ length: 100 }, (_, row) => (row < ones ? 1 : 0));
    const model = trainGbdt({ train: numericTable(values), label: values, params: { trees: 1, leaves: 2 } });
    const [missing, zero, one] = predictGbdt(model, numericTable([Number.NaN, 0, 1]));
    assert.notEqual(zero, one);
    assert.equal(missing, ones > 50 ? one : zero);
  }
});

test('the leaf with the larger gain is split first, on whichever side it is', () => {
  // Four steps; the two on one side are 4 apart, on the other side 2, and the sides are far apart.
  for (const steps of [
    [0, 4, 100, 102],
    [0, 2, 100, 104],
  ]) {
    const values = Float32Array.from({ length: 40 }, (_, row) => Math.floor(row / 10));
    const label = values.map((step) => steps[step]!);
    const params: Partial<GbdtParams> = {
      objective: 'regression',
      trees: 1,
      leaves: 3,
      minLeafRows: 1,
      learningRate: 1,
    };
    const scores = predictGbdt(trainGbdt({ train: numericTable(values), label, params }), numericTable([0, 1, 2, 3]));
    const expected = steps[1] === 4 ? [0, 4, 101, 101] : [1, 1, 100, 104];
    scores.forEach((score, step) => {
      assert.ok(Math.abs(score - expected[step]!) < 1e-4, `${scores} instead of ${expected}`);
    });
  }
});

test('categories are grouped by their target mean; unseen and missing ones score like missing ones', () => {
  const rows = 4000;
  const random = seededRandom(6);
  const categories = ['d', 'b', 'a', 'c', 'never seen'];
  const codes = Int32Array.from({ length: rows }, () => random.int(5) - 1);
  const label = drawLabels(rows, 7, (row) => [0, 3, -3, 3, -3][codes[row]! + 1]!);
  const column: CategoryColumn = { name: 'c', kind: 'category', codes, categories };
  const model = trainGbdt({ train: { rows, columns: [column] }, label, params: { trees: 50 } });
  const score = (texts: readonly string[], code: number): number => {
    const asked: CategoryColumn = { name: 'c', kind: 'category', codes: Int32Array.of(code), categories: texts };
    return predictGbdt(model, { rows: 1, columns: [asked] })[0]!;
  };
  const order = ['c', 'a', 'x', 'd', 'b'];
  const high = 1 / (1 + Math.exp(-3));
  for (const [text, expected] of [
    ['a', high],
    ['d', high],
    ['b', 1 - high],
    ['c', 1 - high],
  ] as const) {
    const got = score(order, order.indexOf(text));
    assert.ok(Math.abs(got - expected) < 0.04, `${text}: ${got} instead of ${expected}`);
  }
  const missing = score(order, -1);
  assert.ok(Math.abs(missing - 0.5) < 0.05, `missing scores ${missing}`);
  assert.equal(score(order, order.indexOf('x')), missing);
  assert.equal(score(categories, 4), missing);
});

test('every leaf holds at least minLeafRows rows, and covers and values add up', () => {
  const settings = fc.record({ seed: fc.integer({ min: 1, max: 1e6 }), minLeafRows: fc.integer({ min: 1, max: 60 }) });
  fc.assert(
    fc.property(settings, ({ seed, minLeafRows }) => {
      const rows = 500;
      const a = uniform(rows, seed).map((x) => (x < 0.2 ? Number.NaN : x));
      const label = drawLabels(rows, seed, (row) => 5 * present(a[row]!) - 2);
      const weight = uniform(rows, seed + 9);
      const params = { trees: 6, leaves: 20, minLeafRows };
      const { trees } = trainGbdt({ train: numericTable(a, uniform(rows, seed + 1)), label, weight, params });
      for (const tree of trees) {
        assert.equal(tree.cover[0], rows);
        tree.feature.forEach((feature, node) => {
          if (feature < 0) assert.ok(tree.cover[node]! >= minLeafRows);
          else assert.equal(tree.cover[tree.left[node]!]! + tree.cover[tree.right[node]!]!, tree.cover[node]);
        });
        assert.ok(leaves(tree) <= 20);
      }
    }),
    { numRuns: 30 },
  );
});

function leaves(tree: Tree): number {
  return tree.feature.filter((feature) => feature < 0).length;
}

test('thresholds, leaf values and the base score are float32 numbers', () => {
  const a = uniform(2000, 1);
  const model = trainGbdt({ train: numericTable(a), label: drawLabels(2000, 2, (row) => 3 * a[row]!), params: {} });
  const numbers = [model.baseScore, ...model.trees.flatMap(({ threshold, value }) => [...threshold, ...value])];
  for (const number of numbers) assert.equal(Math.fround(number), number);
});

test('an integer weight acts like repeating the row', () => {
  const rows = 300;
  // Few distinct values, so that repetition does not move the cuts.
  const a = uniform(rows, 1).map((x) => Math.round(x * 20));
  const b = uniform(rows, 2).map((x) => Math.round(x * 20));
  const weight = uniform(rows, 3).map((x) => Math.floor(x * 4));
  const binary = drawLabels(rows, 4, (row) => 0.3 * (a[row]! - b[row]!));
  const repeated = [...a.keys()].flatMap((row) => Array<number>(weight[row]!).fill(row));
  const pick = (values: Float32Array): Float32Array => Float32Array.from(repeated, (row) => values[row]!);
  const asked = numericTable(a, b);
  for (const objective of ['binary', 'regression'] as const) {
    const label = objective === 'binary' ? binary : binary.map((y, row) => y + 0.1 * a[row]!);
    const params: Partial<GbdtParams> = { objective, trees: 20, leaves: 6, minLeafRows: 1, l2: 1 };
    const weighted = trainGbdt({ train: asked, label, weight, params });
    const plain = trainGbdt({ train: numericTable(pick(a), pick(b)), label: pick(label), params });
    const expected = rawScores(plain, asked);
    rawScores(weighted, asked).forEach((score, row) => {
      if (weight[row]! > 0)
        assert.ok(Math.abs(score - expected[row]!) < 1e-5, `row ${row}: ${score}, ${expected[row]}`);
    });
  }
});

test('early stopping keeps the trees with the least validation loss', () => {
  const rows = 1500;
  const a = uniform(rows, 1);
  const label = drawLabels(rows, 2, (row) => 3 * a[row]! - 1.5);
  const asked = uniform(rows, 3);
  const valid = { table: numericTable(asked), label: drawLabels(rows, 4, (row) => 3 * asked[row]! - 1.5) };
  const losses: number[] = [];
  const params = { trees: 500, learningRate: 0.3, earlyStoppingRounds: 10 };
  const onTree = ({ validLoss }: { validLoss?: number }): void => void losses.push(validLoss!);
  const model = trainGbdt({ train: numericTable(a), label, valid, params, onTree });
  const best = losses.indexOf(Math.min(...losses));
  assert.equal(model.trees.length, best + 1);
  assert.equal(losses.length, best + 1 + 10);
  const logLoss = predictGbdt(model, valid.table).map((p, row) => -Math.log(valid.label[row] === 1 ? p : 1 - p));
  assert.ok(Math.abs(logLoss.reduce((sum, x) => sum + x, 0) / rows - losses[best]!) < 1e-12);
});

test('bagging and column sampling keep the scores of unsampled rows up to date', () => {
  const rows = 3000;
  const columns = [1, 2, 3, 4].map((seed) => uniform(rows, seed).map((x) => (x < 0.1 ? Number.NaN : x)));
  const label = drawLabels(rows, 5, (row) => columns.reduce((sum, x) => sum + 2 * present(x[row]!), -4));
  const table = numericTable(...columns);
  const losses: number[] = [];
  const params = { trees: 60, rowFraction: 0.3, featureFraction: 0.5, seed: 3 };
  const onTree = ({ validLoss }: { validLoss?: number }): void => void losses.push(validLoss!);
  const model = trainGbdt({ train: table, label, valid: { table, label }, params, onTree });
  assert.ok(losses.at(-1)! < 0.8 * losses[0]!);
  for (let i = 10; i < losses.length; i++) assert.ok(losses[i]! < losses[i - 10]!, 'stale scores would diverge');
  const used = new Set(model.trees.map(({ feature }) => [...new Set(feature.filter((f) => f >= 0))].sort().join()));
  assert.ok(used.size > 3, `column sets ${[...used]}`);
  for (const { feature, cover } of model.trees) {
    assert.ok(new Set(feature.filter((f) => f >= 0)).size <= 2);
    assert.equal(cover[0], 900);
  }
});

test('onTree reports every tree once, in order', () => {
  const a = uniform(500, 1);
  const seen: { tree: number; of: number }[] = [];
  const label = a.map((x) => (x > 0.5 ? 1 : 0));
  trainGbdt({ train: numericTable(a), label, params: { trees: 3 }, onTree: (progress) => seen.push(progress) });
  assert.deepEqual(seen, [
    { tree: 1, of: 3 },
    { tree: 2, of: 3 },
    { tree: 3, of: 3 },
  ]);
});

test('scoring matches columns by name and ignores the ones it does not know', () => {
  const [a, b] = [uniform(500, 1), uniform(500, 2)];
  const label = drawLabels(500, 3, (row) => 6 * (a[row]! - b[row]!));
  const train = numericTable(a, b);
  const model: GbdtModel = trainGbdt({ train, label, params: { trees: 5 } });
  const extra = { name: 'more', kind: 'numeric' as const, values: uniform(500, 4) };
  const shuffled: Table = { rows: 500, columns: [extra, train.columns[1]!, train.columns[0]!] };
  assert.deepEqual(predictGbdt(model, shuffled), predictGbdt(model, train));
});
