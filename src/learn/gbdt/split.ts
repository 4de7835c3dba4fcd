import { CELL_FIELDS, CELLS_PER_COLUMN } from './kernel.ts';

/** Sums over the rows of a node. */
export interface NodeSums {
  readonly gradient: number;
  readonly hessian: number;
  readonly rows: number;
}

export interface Split {
  readonly column: number;
  /** Rows with `bin <= limit` go left. */
  readonly limit: number;
  readonly missingLeft: boolean;
  readonly gain: number;
  readonly left: NodeSums;
  readonly right: NodeSums;
}

export interface SplitSearch {
  /** Decoded histograms of all columns, see `HistogramKernel.decoded`. */
  readonly cells: Float64Array;
  /** Columns that may be used, ascending. */
  readonly active: Int32Array;
  /** Bins of values per column. */
  readonly binCounts: Int32Array;
  readonly minLeafRows: number;
  readonly l2: number;
}

/** Least hessian sum of a leaf, as in LightGBM: below it the Newton step of the leaf is noise. */
const HESSIAN_SUM_MIN = 1e-3;
/** Relative gain below which a split is rounding noise. */
const GAIN_MARGIN = 1e-12;

/**
 * The split of a node with the largest gain
 *
 *     GL² / (HL + l2) + GR² / (HR + l2) - G² / (H + l2)
 *
 * (Friedman 2001; Chen and Guestrin 2016, eq. 7), over all columns, all limits and both directions of missing values.
 * Where the node has no missing value of the column, a missing value goes to the side with more rows. Equal gains keep
 * the first: lower column, missing right, lower limit. Returns undefined when no split has a positive gain and
 * `minLeafRows` rows on each side.
 */
export function findSplit(search: SplitSearch, node: NodeSums): Split | undefined {
  const unsplit = (node.gradient * node.gradient) / (node.hessian + search.l2);
  const best: Candidate = { score: unsplit * (1 + GAIN_MARGIN), column: -1, limit: 0, missingLeft: false, left: node };
  for (const column of search.active) {
    const missing = cellSums(search.cells, column, CELLS_PER_COLUMN - 1);
    scanColumn(search, node, { column, missing, missingLeft: false }, best);
    if (missing.rows > 0) scanColumn(search, node, { column, missing, missingLeft: true }, best);
  }
  const { column, limit, left } = best;
  if (column < 0) return undefined;
  const right = {
    gradient: node.gradient - left.gradient,
    hessian: node.hessian - left.hessian,
    rows: node.rows - left.rows,
  };
  const hasMissing = cellSums(search.cells, column, CELLS_PER_COLUMN - 1).rows > 0;
  const missingLeft = hasMissing ? best.missingLeft : left.rows > right.rows;
  return { column, limit, missingLeft, gain: best.score - unsplit, left, right };
}

interface Candidate {
  score: number;
  column: number;
  limit: number;
  missingLeft: boolean;
  left: NodeSums;
}

interface Scan {
  readonly column: number;
  readonly missing: NodeSums;
  readonly missingLeft: boolean;
}

/** Tries every limit of one column with the missing values on one side, and keeps what beats `best`. */
function scanColumn(search: SplitSearch, node: NodeSums, scan: Scan, best: Candidate): void {
  const { cells, minLeafRows, l2 } = search;
  const { gradient, hessian, rows } = node;
  const { column, missing, missingLeft } = scan;
  // With missing values on the right the last limit is a split too: every value left, the missing right.
  const limits = search.binCounts[column]! - (missing.rows > 0 && !missingLeft ? 0 : 1);
  let g = missingLeft ? missing.gradient : 0;
  let h = missingLeft ? missing.hessian : 0;
  let n = missingLeft ? missing.rows : 0;
  let bestScore = best.score;
  for (let limit = 0, at = column * CELLS_PER_COLUMN * CELL_FIELDS; limit < limits; limit++, at += CELL_FIELDS) {
    const cellRows = cells[at + 2]!;
    if (cellRows === 0) continue;
    n += cellRows;
    g += cells[at]!;
    h += cells[at + 1]!;
    if (rows - n < minLeafRows) break;
    if (n < minLeafRows || h < HESSIAN_SUM_MIN || hessian - h < HESSIAN_SUM_MIN) continue;
    const rest = gradient - g;
    const score = (g * g) / (h + l2) + (rest * rest) / (hessian - h + l2);
    if (score <= bestScore) continue;
    bestScore = score;
    best.score = score;
    best.column = column;
    best.limit = limit;
    best.missingLeft = missingLeft;
    best.left = { gradient: g, hessian: h, rows: n };
  }
}

function cellSums(cells: Float64Array, column: number, cell: number): NodeSums {
  const at = (column * CELLS_PER_COLUMN + cell) * CELL_FIELDS;
  return { gradient: cells[at]!, hessian: cells[at + 1]!, rows: cells[at + 2]! };
}

/** The loss-minimising value of a leaf (a Newton step), shrunk, as float32. */
export function leafValue(node: NodeSums, l2: number, learningRate: number): number {
  return Math.fround((-node.gradient / (node.hessian + l2)) * learningRate);
}
