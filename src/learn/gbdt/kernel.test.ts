import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#core/random';
import { CELL_FIELDS, CELLS_PER_COLUMN, HistogramKernel } from './kernel.ts';

interface Case {
  readonly rows: number;
  readonly columns: number;
  readonly seed: number;
  readonly scale: number;
}

const cases = fc.record({
  rows: fc.integer({ min: 1, max: 400 }),
  columns: fc.integer({ min: 1, max: 9 }),
  seed: fc.integer({ min: 0, max: 1e9 }),
  scale: fc.constantFrom(1e-12, 1e-3, 1, 1e6),
});

/**
 * A kernel over random bins. Gradients and hessians are multiples of scale / 1024, which fixed point holds exactly, so
 * the plain sums below are exact too and histograms can be compared for equality.
 */
function randomKernel({ rows, columns, seed, scale }: Case): HistogramKernel {
  const random = seededRandom(seed);
  const kernel = new HistogramKernel(rows, columns, 3);
  const step = 2 ** (Math.round(Math.log2(scale)) - 10);
  for (let row = 0; row < rows; row++) {
    kernel.rows[row] = row;
    kernel.gradients[row] = (random.int(2049) - 1024) * step;
    kernel.hessians[row] = random.int(1025) * step;
    for (let c = 0; c < columns; c++) kernel.bins[row * columns + c] = random.int(256);
  }
  kernel.quantise();
  return kernel;
}

/** What `accumulate` and `decode` must give, in plain TypeScript. */
function plainHistogram(kernel: HistogramKernel, rows: Int32Array): Float64Array {
  const cells = new Float64Array(kernel.columns * CELLS_PER_COLUMN * CELL_FIELDS);
  for (const row of rows) {
    for (let column = 0; column < kernel.columns; column++) {
      const bin = kernel.bins[row * kernel.columns + column]!;
      const at = (column * CELLS_PER_COLUMN + bin) * CELL_FIELDS;
      cells[at]! += kernel.gradients[row]!;
      cells[at + 1]! += kernel.hessians[row]!;
      cells[at + 2]! += 1;
    }
  }
  return cells;
}

test('a histogram equals the plain sums, for all rows and for a segment', () => {
  fc.assert(
    fc.property(cases, (input) => {
      const kernel = randomKernel(input);
      const begin = input.rows >> 2;
      const count = input.rows - begin;
      kernel.accumulate(0, 0, input.rows);
      kernel.accumulate(1, begin, count);
      kernel.decode(0);
      assert.deepEqual(kernel.decoded, plainHistogram(kernel, kernel.rows));
      kernel.decode(1);
      assert.deepEqual(kernel.decoded, plainHistogram(kernel, kernel.rows.subarray(begin)));
    }),
  );
});

test('a sibling got by subtraction equals the sibling counted, bit for bit', () => {
  fc.assert(
    fc.property(cases, (input) => {
      const kernel = randomKernel(input);
      // Thirds are not exact in fixed point: equality must come from the integers, not from exact inputs.
      for (let row = 0; row < input.rows; row++) kernel.gradients[row]! /= 3;
      kernel.quantise();
      const count = input.rows >> 1;
      kernel.accumulate(0, 0, input.rows);
      kernel.accumulate(1, 0, count);
      kernel.subtract(0, 1);
      kernel.decode(0);
      const subtracted = kernel.decoded.slice();
      kernel.accumulate(2, count, input.rows - count);
      kernel.decode(2);
      assert.deepEqual(subtracted, kernel.decoded);
    }),
  );
});

test('partition is a stable filter by bin and missing direction, inside its segment only', () => {
  const splits = fc.record({ limit: fc.integer({ min: 0, max: 254 }), missingLeft: fc.boolean() });
  fc.assert(
    fc.property(cases, splits, (input, { limit, missingLeft }) => {
      const kernel = randomKernel(input);
      const column = input.seed % input.columns;
      const begin = input.rows >> 2;
      const segment = [...kernel.rows.subarray(begin)];
      const goesLeft = (row: number): boolean => {
        const bin = kernel.bins[row * input.columns + column]!;
        return bin === 255 ? missingLeft : bin <= limit;
      };
      const expected = [...segment.filter(goesLeft), ...segment.filter((row) => !goesLeft(row))];
      const left = kernel.partition({ begin, count: segment.length }, { column, limit, missingLeft });
      assert.equal(left, segment.filter(goesLeft).length);
      assert.deepEqual([...kernel.rows.subarray(begin)], expected);
      assert.deepEqual([...kernel.rows.subarray(0, begin)], [...Array(begin).keys()]);
    }),
  );
});

test('a training set that does not fit is refused with what it needs and the limit', () => {
  assert.throws(
    () => new HistogramKernel(40_000_000, 100, 31),
    /train: 40000000 rows x 100 columns with 31 leaves need 5\d{9} bytes of memory, the limit is 3221225472/,
  );
});
