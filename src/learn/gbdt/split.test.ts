import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#core/random';
import { CELL_FIELDS, CELLS_PER_COLUMN } from './kernel.ts';
import { findSplit, type NodeSums } from './split.ts';

interface Row {
  readonly bins: readonly number[];
  readonly gradient: number;
  readonly hessian: number;
}

const BINS = 6;
const COLUMNS = 3;

function randomRows(count: number, seed: number): Row[] {
  const random = seededRandom(seed);
  const bin = (): number => (random.next() < 0.2 ? 255 : random.int(BINS));
  return Array.from({ length: count }, () => ({
    bins: Array.from({ length: COLUMNS }, bin),
    gradient: random.int(65) - 32,
    hessian: random.int(8) / 8,
  }));
}

function sumsOf(rows: readonly Row[]): NodeSums {
  const sum = (field: 'gradient' | 'hessian'): number => rows.reduce((total, row) => total + row[field], 0);
  return { gradient: sum('gradient'), hessian: sum('hessian'), rows: rows.length };
}

function cellsOf(rows: readonly Row[]): Float64Array {
  const cells = new Float64Array(COLUMNS * CELLS_PER_COLUMN * CELL_FIELDS);
  for (const row of rows) {
    row.bins.forEach((bin, column) => {
      const at = (column * CELLS_PER_COLUMN + bin) * CELL_FIELDS;
      cells[at]! += row.gradient;
      cells[at + 1]! += row.hessian;
      cells[at + 2]! += 1;
    });
  }
  return cells;
}

const score = ({ gradient, hessian }: NodeSums, l2: number): number => gradient ** 2 / (hessian + l2);

test('the split found has the largest gain of all splits of the rows themselves', () => {
  const settings = fc.record({
    count: fc.integer({ min: 1, max: 60 }),
    seed: fc.integer({ min: 0, max: 1e9 }),
    minLeafRows: fc.integer({ min: 1, max: 12 }),
    l2: fc.constantFrom(0, 0.5, 10),
  });
  fc.assert(
    fc.property(settings, ({ count, seed, minLeafRows, l2 }) => {
      const rows = randomRows(count, seed);
      const node = sumsOf(rows);
      let best = 0;
      for (let column = 0; column < COLUMNS; column++) {
        for (const missingLeft of [false, true]) {
          for (let limit = 0; limit < BINS; limit++) {
            const goesLeft = ({ bins }: Row): boolean => (bins[column] === 255 ? missingLeft : bins[column]! <= limit);
            const left = sumsOf(rows.filter(goesLeft));
            const right = sumsOf(rows.filter((row) => !goesLeft(row)));
            if (left.rows < minLeafRows || right.rows < minLeafRows) continue;
            if (left.hessian < 1e-3 || right.hessian < 1e-3) continue;
            best = Math.max(best, score(left, l2) + score(right, l2) - score(node, l2));
          }
        }
      }
      const binCounts = new Int32Array(COLUMNS).fill(BINS);
      const search = { cells: cellsOf(rows), active: Int32Array.of(0, 1, 2), binCounts, minLeafRows, l2 };
      const found = findSplit(search, node);
      const tolerance = 1e-9 * (1 + score(node, l2));
      assert.ok(Math.abs((found?.gain ?? 0) - best) <= tolerance, `${found?.gain} instead of ${best}`);
      if (found === undefined) return;
      const goesLeft = ({ bins }: Row): boolean =>
        bins[found.column] === 255 ? found.missingLeft : bins[found.column]! <= found.limit;
      assert.deepEqual(found.left, sumsOf(rows.filter(goesLeft)));
      assert.deepEqual(found.right, sumsOf(rows.filter((row) => !goesLeft(row))));
    }),
    { numRuns: 300 },
  );
});
