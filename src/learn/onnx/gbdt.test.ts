import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { seededRandom } from '#core/random';
import { type GbdtModel, predictGbdt, type Table, trainGbdt } from '#learn/gbdt';
import { gbdtToOnnx, type TabularSignature } from '#learn/onnx';

const TOLERANCE = 1e-6;

/** Scores a table with ONNX Runtime. A code of -1 becomes a text that no model knows. */
async function runOnnx(bytes: Uint8Array, signature: TabularSignature, table: Table): Promise<Float32Array> {
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const columns = new Map(table.columns.map((column) => [column.name, column]));
  const feeds: { [name: string]: Tensor } = {};
  for (const input of signature.inputs) {
    const width = input.columns.length;
    const values = new Float32Array(table.rows * width);
    const texts: string[] = [];
    for (let row = 0; row < table.rows; row++) {
      input.columns.forEach((name, index) => {
        const column = columns.get(name)!;
        if (column.kind === 'numeric') values[row * width + index] = column.values[row]!;
        else texts.push(column.categories[column.codes[row]!] ?? '(missing)');
      });
    }
    const dims = [table.rows, width];
    feeds[input.name] =
      input.type === 'string' ? new Tensor('string', texts, dims) : new Tensor('float32', values, dims);
  }
  const output = (await session.run(feeds))[signature.output.name]!;
  assert.deepEqual(output.dims, [table.rows, 1]);
  await session.release();
  return output.data as Float32Array;
}

function largestGap(model: GbdtModel, table: Table, scores: Float32Array): number {
  let gap = 0;
  predictGbdt(model, table).forEach((expected, row) => {
    const scale = model.objective === 'binary' ? 1 : Math.max(1, Math.abs(expected));
    gap = Math.max(gap, Math.abs(expected - scores[row]!) / scale);
  });
  return gap;
}

interface Shape {
  readonly rows: number;
  readonly numeric: number;
  readonly categories: number;
  readonly seed: number;
}

/** Random columns with 10 % missing values. Category names from `known` on never occur in a training table. */
function randomTable({ rows, numeric, categories, seed }: Shape, known: number): Table {
  const random = seededRandom(seed);
  const names = Array.from({ length: 40 }, (_, index) => `größe-${index}`);
  const columns: Table['columns'][number][] = [];
  for (let i = 0; i < Math.max(numeric, categories); i++) {
    if (i < categories) {
      const codes = Int32Array.from({ length: rows }, () => (random.next() < 0.1 ? -1 : random.int(known)));
      columns.push({ name: `c${i}`, kind: 'category', codes, categories: names });
    }
    if (i < numeric) {
      const scale = 10 ** (i - 2);
      const draw = (): number => (random.next() < 0.1 ? Number.NaN : (random.next() - 0.5) * scale);
      columns.push({ name: `n${i}`, kind: 'numeric', values: Float32Array.from({ length: rows }, draw) });
    }
  }
  return { rows, columns };
}

function labelOf(table: Table, objective: GbdtModel['objective'], seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: table.rows }, (_, row) => {
    let score = random.next() - 0.5;
    table.columns.forEach((column, index) => {
      if (column.kind === 'category') score += ((column.codes[row]! * 7) % 5) * 0.2 - 0.4;
      else if (Number.isNaN(column.values[row]!)) score += index % 2 ? 0.5 : -0.3;
      else score += Math.sign(column.values[row]!) * 0.4;
    });
    return objective === 'binary' ? (score > 0 || row === 0 ? 1 : 0) * (row === 1 ? 0 : 1) : 50_000 + 1000 * score;
  });
}

test('ONNX Runtime scores like the walker, with missing values and categories that training never saw', async () => {
  const shapes = fc.record({
    rows: fc.constant(600),
    numeric: fc.integer({ min: 0, max: 4 }),
    categories: fc.integer({ min: 0, max: 3 }),
    seed: fc.integer({ min: 1, max: 1e6 }),
  });
  const objectives = fc.constantFrom('binary' as const, 'regression' as const);
  await fc.assert(
    fc.asyncProperty(shapes, objectives, async (shape, objective) => {
      fc.pre(shape.numeric + shape.categories > 0);
      const train = randomTable(shape, 20);
      const label = labelOf(train, objective, shape.seed);
      const model = trainGbdt({ train, label, params: { objective, trees: 40, leaves: 15, minLeafRows: 5 } });
      const { bytes, signature } = gbdtToOnnx(model);
      const fresh = randomTable({ ...shape, rows: 1000, seed: shape.seed + 1 }, 40);
      const gap = largestGap(model, fresh, await runOnnx(bytes, signature, fresh));
      assert.ok(gap <= TOLERANCE, `gap ${gap}`);
    }),
    { numRuns: 25 },
  );
});

test('a large ensemble with confident scores still agrees with ONNX Runtime', async () => {
  const shape = { rows: 4000, numeric: 6, categories: 2, seed: 5 };
  const train = randomTable(shape, 20);
  const params = { trees: 800, leaves: 31, learningRate: 0.3 };
  const model = trainGbdt({ train, label: labelOf(train, 'binary', 9), params });
  const { bytes, signature } = gbdtToOnnx(model);
  const fresh = randomTable({ ...shape, rows: 5000, seed: 6 }, 40);
  const gap = largestGap(model, fresh, await runOnnx(bytes, signature, fresh));
  assert.ok(gap <= TOLERANCE, `gap ${gap}`);
});

test('a model that learnt nothing exports as its base score', async () => {
  const train: Table = { rows: 4, columns: [{ name: 'x', kind: 'numeric', values: Float32Array.of(1, 1, 1, 1) }] };
  const model = trainGbdt({ train, label: Float32Array.of(1, 0, 1, 1), params: { minLeafRows: 1 } });
  assert.equal(model.trees.length, 0);
  const { bytes, signature } = gbdtToOnnx(model);
  const scores = await runOnnx(bytes, signature, train);
  assert.ok(Math.abs(scores[0]! - 0.75) < TOLERANCE);
});

test('a category column that is always missing in training still exports', async () => {
  const rows = 100;
  const values = Float32Array.from({ length: rows }, (_, row) => row);
  const codes = new Int32Array(rows).fill(-1);
  const train: Table = {
    rows,
    columns: [
      { name: 'x', kind: 'numeric', values },
      { name: 'c', kind: 'category', codes, categories: ['a'] },
    ],
  };
  const model = trainGbdt({ train, label: values.map((x) => (x > 50 ? 1 : 0)), params: { trees: 3 } });
  const { bytes, signature } = gbdtToOnnx(model);
  assert.ok(largestGap(model, train, await runOnnx(bytes, signature, train)) <= TOLERANCE);
});

test('equal training gives equal bytes, and another seed gives others', () => {
  const train = randomTable({ rows: 500, numeric: 3, categories: 1, seed: 3 }, 20);
  const label = labelOf(train, 'binary', 3);
  const bytesOf = (seed: number): Uint8Array =>
    gbdtToOnnx(trainGbdt({ train, label, params: { seed, rowFraction: 0.7, featureFraction: 0.5, trees: 10 } })).bytes;
  assert.deepEqual(bytesOf(1), bytesOf(1));
  assert.notDeepEqual(bytesOf(1), bytesOf(2));
});

test('the signature names the columns of each input in training order and travels in the metadata', () => {
  const train = randomTable({ rows: 200, numeric: 2, categories: 2, seed: 3 }, 20);
  const { bytes, signature } = gbdtToOnnx(
    trainGbdt({ train, label: labelOf(train, 'binary', 3), params: { trees: 2 } }),
  );
  assert.deepEqual(
    signature.columns.map(({ name }) => name),
    ['c0', 'n0', 'c1', 'n1'],
  );
  assert.deepEqual(signature.inputs, [
    { name: 'features', type: 'float32', columns: ['n0', 'n1'] },
    { name: 'categories', type: 'string', columns: ['c0', 'c1'] },
  ]);
  assert.deepEqual(signature.output, { name: 'probability', type: 'float32' });
  assert.ok(Buffer.from(bytes).includes(`kedge.signature\x12`));
  assert.ok(Buffer.from(bytes).includes(JSON.stringify(signature)));
});
