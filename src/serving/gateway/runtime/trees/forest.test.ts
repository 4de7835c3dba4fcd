import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '#core/clock';
import { seededRandom } from '#core/random';
import { type GbdtModel, predictGbdt, type Table, trainGbdt } from '#learn/gbdt';
import { gbdtToOnnx } from '#learn/onnx';
import { brittleModel, categoryModel, logisticModel } from '../../testing/models.ts';
import { loadModel } from '../load-model.ts';
import type { Batch, ModelShape } from '../model-runtime.ts';
import { OnnxSession } from '../onnx-session.ts';
import { TrialThread } from '../trial-thread.ts';
import { compareScores } from './compare-scores.ts';
import { Forest } from './forest.ts';
import { readForest } from './read-forest.ts';

const sameScores = async (forest: Forest, runtime: (batch: Batch) => Float32Array): Promise<boolean> =>
  (await compareScores(forest, runtime, systemClock)).same;

const CITIES = ['ATL', 'BOS', 'ORD', 'SFO'];

/** Rows with numbers, categories and missing values of both. */
function tableOf(rows: number, seed: number): Table {
  const random = seededRandom(seed);
  const numbers = (): Float32Array =>
    Float32Array.from({ length: rows }, () => (random.int(10) ? random.next() : Number.NaN));
  const codes = (): Int32Array => Int32Array.from({ length: rows }, () => random.int(CITIES.length + 1) - 1);
  return {
    rows,
    columns: [
      { name: 'a', kind: 'numeric', values: numbers() },
      { name: 'from', kind: 'category', codes: codes(), categories: CITIES },
      { name: 'b', kind: 'numeric', values: numbers() },
      { name: 'to', kind: 'category', codes: codes(), categories: CITIES },
    ],
  };
}

function train(objective: 'binary' | 'regression', columns: readonly number[] = [0, 1, 2, 3]): GbdtModel {
  const whole = tableOf(2_000, 3);
  const table: Table = { ...whole, columns: columns.map((i) => whole.columns[i] as Table['columns'][number]) };
  const random = seededRandom(4);
  const [a] = whole.columns;
  const label = Float32Array.from({ length: whole.rows }, (_, i) => {
    const x = a?.kind === 'numeric' ? (a.values[i] as number) || 0 : 0;
    return objective === 'binary' ? Number(x + random.next() > 1) : 5 * x + random.next();
  });
  return trainGbdt({ train: table, label, params: { objective, trees: 20 } });
}

/** The same rows as a gateway gets them. */
function batchOf(table: Table): Batch {
  const numeric = table.columns.filter((column) => column.kind === 'numeric');
  const category = table.columns.filter((column) => column.kind === 'category');
  const rows = Array.from({ length: table.rows }, (_, i) => i);
  return {
    rows: table.rows,
    numeric: Float32Array.from(rows.flatMap((i) => numeric.map(({ values }) => values[i] as number))),
    categories: rows.flatMap((i) =>
      category.map(({ codes, categories }) => categories[codes[i] as number] ?? 'nowhere'),
    ),
  };
}

function rowOf({ rows, numeric, categories }: Batch, i: number): Batch {
  const part = <T extends Float32Array | readonly string[]>(values: T): T =>
    values.slice((i * values.length) / rows, ((i + 1) * values.length) / rows) as T;
  return { rows: 1, numeric: part(numeric), categories: part(categories) };
}

function shapeOf(model: GbdtModel): ModelShape {
  const numeric = model.features.filter(({ kind }) => kind === 'numeric').length;
  const output = model.objective === 'binary' ? 'probability' : 'value';
  return { numeric, categories: model.features.length - numeric, output };
}

describe('boosted trees walked without a runtime', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kedge-forest-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function fileOf(bytes: Uint8Array): Promise<string> {
    const path = join(folder, `${systemClock.monotonic()}.onnx`);
    await writeFile(path, bytes);
    return path;
  }

  const cases: readonly [string, 'binary' | 'regression', readonly number[]][] = [
    ['a classifier over numbers and categories', 'binary', [0, 1, 2, 3]],
    ['a regression over numbers and categories', 'regression', [0, 1, 2, 3]],
    ['a classifier over numbers', 'binary', [0, 2]],
    ['a regression over one category', 'regression', [1]],
  ];
  for (const [what, objective, columns] of cases) {
    test(`${what} scores to the last bit as in ONNX Runtime, alone and together, and as in training`, async () => {
      const model = train(objective, columns);
      const { bytes } = gbdtToOnnx(model);
      const shape = shapeOf(model);
      const whole = tableOf(1_000, 9);
      const table = { ...whole, columns: columns.map((i) => whole.columns[i] as Table['columns'][number]) };
      const batch = batchOf(table);
      const session = new OnnxSession(await fileOf(bytes), shape);
      const forest = readForest(bytes, shape);
      assert.ok(forest);

      const found = forest.run(batch);

      const trained = predictGbdt(model, table);
      const runtime = session.run(batch);
      for (const [i, score] of found.entries()) {
        assert.ok(Object.is(score, runtime[i]), `row ${i}: ${score} and ${runtime[i]}`);
        assert.ok(Math.abs(score - (trained[i] as number)) <= 1e-6 * Math.max(1, Math.abs(score)));
      }
      for (let i = 0; i < 50; i++) assert.ok(Object.is(session.run(rowOf(batch, i))[0], found[i]), `row ${i} alone`);
      assert.equal(await sameScores(forest, (rows) => session.run(rows)), true);
      session.dispose();

      // Rows where they lie have numbers that float32 has to round, as a batch does that is made of them.
      const rows = Array.from({ length: batch.rows }, (_, i) => {
        const { numeric, categories } = rowOf(batch, i);
        return { row: { numeric: Array.from(numeric, (value) => value * (1 + 3e-8)), categories } };
      });
      const rounded = Float32Array.from(rows.flatMap(({ row }) => row.numeric));
      assert.deepEqual(forest.runRows(rows), forest.run({ ...batch, numeric: rounded }));
    });
  }

  test('a model of this kind is loaded as trees, and only when nothing else was asked for', async () => {
    const model = train('binary');
    const { bytes } = gbdtToOnnx(model);
    const request = { path: await fileOf(bytes), fileBytes: bytes.length, shape: shapeOf(model), clock: systemClock };

    const kinds = [];
    const trial = new TrialThread();
    for (const choice of ['auto', 'inline', 'thread'] as const) {
      const runtime = await loadModel({ ...request, choice, trial });
      kinds.push(runtime.kind);
      await runtime.unload();
    }

    await trial.close();

    assert.deepEqual(kinds, ['trees', 'inline', 'thread']);
  });

  test('missing values and thresholds go where the tree says, on both sides and at zero', () => {
    const thresholds = [-1.5, -0, 0, 2 ** -149, 0.1, 3e38].map(Math.fround);
    const values = [...thresholds, ...thresholds.map((t) => -t), Number.NaN, -3.4e38, 3.4e38].map(Math.fround);
    for (const threshold of thresholds) {
      for (const missingLeft of [0, 1]) {
        const forest = new Forest({
          columns: [{ kind: 'numeric', index: 0 }],
          nodes: {
            ...{ roots: Int32Array.of(0), feature: Int32Array.of(0, -1, -1), value: Float32Array.of(threshold, 1, 2) },
            ...{ left: Int32Array.of(1, 0, 0), right: Int32Array.of(2, 0, 0) },
            ...{ missingLeft: Uint8Array.of(missingLeft, 0, 0), base: 0 },
          },
          ...{ numeric: 1, sigmoid: false },
        });

        const found = forest.run({ rows: values.length, numeric: Float32Array.from(values), categories: [] });

        const left = (x: number): boolean => (Number.isNaN(x) ? missingLeft === 1 : x <= threshold);
        assert.deepEqual(
          [...found],
          values.map((x) => (left(x) ? 1 : 2)),
          `${threshold} ${missingLeft}`,
        );
      }
    }
  });

  test('another model’s scores are told apart', async () => {
    const [one, other] = [train('binary'), train('binary', [2, 1, 0, 3])];
    const session = new OnnxSession(await fileOf(gbdtToOnnx(other).bytes), shapeOf(other));
    const forest = readForest(gbdtToOnnx(one).bytes, shapeOf(one));
    assert.ok(forest);

    assert.equal(await sameScores(forest, (batch) => session.run(batch)), false);
    session.dispose();
  });

  test('a moment in which the machine does other work does not decide which of the two is the faster one', async () => {
    const model = train('binary', [0, 2]);
    const forest = readForest(gbdtToOnnx(model).bytes, shapeOf(model));
    assert.ok(forest);
    let [nowMs, rows, runsOfRuntime] = [0, 0, 0];
    const run = forest.run.bind(forest);
    forest.run = (batch) => {
      nowMs += ++rows === 200 ? 10_000 : 1;
      return run(batch);
    };
    const runtime = (batch: Batch): Float32Array => {
      runsOfRuntime += 1;
      nowMs += 3;
      return run(batch);
    };

    const { same, forestRowMs, runtimeRowMs } = await compareScores(forest, runtime, { monotonic: () => nowMs });

    assert.deepEqual({ same, forestRowMs, runtimeRowMs }, { same: true, forestRowMs: 1, runtimeRowMs: 3 });
    assert.equal(rows, runsOfRuntime);
  });

  test('a forest whose code is compiled while it is timed is timed again', async () => {
    const model = train('binary', [0, 2]);
    const forest = readForest(gbdtToOnnx(model).bytes, shapeOf(model));
    assert.ok(forest);
    let [nowMs, isCompiled] = [0, false];
    const run = forest.run.bind(forest);
    forest.run = (batch) => {
      nowMs += isCompiled ? 1 : 30;
      return run(batch);
    };
    setImmediate(() => {
      isCompiled = true;
    });
    const runtime = (batch: Batch): Float32Array => {
      nowMs += 3;
      return run(batch);
    };

    const { same, forestRowMs, runtimeRowMs } = await compareScores(forest, runtime, { monotonic: () => nowMs });

    assert.deepEqual({ same, forestRowMs, runtimeRowMs }, { same: true, forestRowMs: 1, runtimeRowMs: 3 });
  });

  test('any other graph is left to the runtime', () => {
    const value = { numeric: 1, categories: 0, output: 'value' as const };
    assert.equal(readForest(logisticModel({ a: 1 }).bytes, { ...value, output: 'probability' }), undefined);
    assert.equal(readForest(categoryModel().bytes, { ...value, categories: 1 }), undefined);
    assert.equal(readForest(brittleModel().bytes, value), undefined);
    assert.equal(readForest(new TextEncoder().encode('not a model'), value), undefined);
  });

  test('a damaged file is left to the runtime, or is still told apart by its scores', async () => {
    const model = train('binary', [0, 2]);
    const { bytes } = gbdtToOnnx(model);
    const session = new OnnxSession(await fileOf(bytes), shapeOf(model));
    const random = seededRandom(11);
    for (let i = 0; i < 300; i++) {
      const damaged = bytes.slice(0, i % 3 === 0 ? random.int(bytes.length) : bytes.length);
      for (let k = 0; k < 3 && damaged.length > 0; k++) damaged[random.int(damaged.length)] = random.int(256);
      const forest = readForest(damaged, shapeOf(model));
      if (forest) await sameScores(forest, (batch) => session.run(batch));
    }
    session.dispose();
  });
});

/** Trees over one number, each a chain of splits: left ends in a leaf, right goes on. */
function chains(depths: readonly number[]) {
  const feature: number[] = [];
  const value: number[] = [];
  const left: number[] = [];
  const right: number[] = [];
  const add = (column: number, at: number): number => {
    feature.push(column);
    value.push(at);
    left.push(0);
    right.push(0);
    return feature.length - 1;
  };
  const roots = depths.map((depth, tree) => {
    const root = add(depth > 0 ? 0 : -1, depth > 0 ? 0.5 : 2 ** tree);
    for (let level = 1, node = root; level <= depth; level++) {
      left[node] = add(-1, 2 ** tree * level);
      right[node] = add(level < depth ? 0 : -1, level < depth ? level + 0.5 : 0);
      node = right[node] as number;
    }
    return root;
  });
  return {
    roots: Int32Array.from(roots),
    feature: Int32Array.from(feature),
    value: Float32Array.from(value),
    left: Int32Array.from(left),
    right: Int32Array.from(right),
    missingLeft: new Uint8Array(feature.length).fill(1),
    base: 0,
  };
}

test('trees of all depths end in the leaf that is theirs, however many there are', () => {
  for (const depths of [[0], [3], [0, 1, 2], [40, 0, 3, 17, 8], [9, 9, 9, 9, 1, 1, 1, 1, 33]]) {
    const forest = new Forest({
      columns: [{ kind: 'numeric', index: 0 }],
      nodes: chains(depths),
      ...{ numeric: 1, sigmoid: false },
    });
    const numeric = Float32Array.from([Number.NaN, 0, 1, 2, 7, 8, 16, 39, 40, 1_000, Number.NEGATIVE_INFINITY]);

    const scores = forest.run({ rows: numeric.length, numeric, categories: [] });

    const expected = Array.from(numeric, (x) =>
      depths.reduce((sum, depth, tree) => {
        // Whole numbers: x is past the split at level - 0.5 from that level on; a missing value goes left.
        const level = x >= 1 ? x + 1 : 1;
        if (depth === 0) return sum + 2 ** tree;
        return sum + (level > depth ? 0 : 2 ** tree * level);
      }, 0),
    );
    assert.deepEqual(Array.from(scores), expected, `depths ${depths}`);
  }
});
