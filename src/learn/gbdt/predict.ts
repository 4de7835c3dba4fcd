import { encodeTable } from './encode.ts';
import type { GbdtModel, Tree } from './model.ts';
import type { Table } from './table.ts';

/** Rows scored together, so that their features and one tree stay in the processor's cache. */
const BLOCK_ROWS = 512;

/**
 * Scores every row: the probability of label 1 (`binary`) or the value (`regression`). Columns are matched by name.
 * Throws `gbdt/invalid-table` when a column of the model is absent or of the wrong kind.
 */
export function predictGbdt(model: GbdtModel, table: Table): Float64Array {
  const scores = rawScores(model, table);
  if (model.objective === 'binary') {
    for (let row = 0; row < scores.length; row++) scores[row] = 1 / (1 + Math.exp(-scores[row]!));
  }
  return scores;
}

/** The sum of base score and leaf values per row: log odds (`binary`) or the value (`regression`). */
export function rawScores(model: GbdtModel, table: Table): Float64Array {
  const scores = new Float64Array(table.rows).fill(model.baseScore);
  addTrees(model.trees, encodeTable(model.features, table, 'table'), scores);
  return scores;
}

/** Adds the leaf value of each tree to each row's score. `features` holds one array per feature. */
export function addTrees(trees: readonly Tree[], features: readonly Float32Array[], scores: Float64Array): void {
  const forest = compile(trees);
  const width = features.length;
  const block = new Float32Array(BLOCK_ROWS * width);
  for (let start = 0; start < scores.length; start += BLOCK_ROWS) {
    const rows = Math.min(BLOCK_ROWS, scores.length - start);
    for (let f = 0; f < width; f++) {
      const values = features[f]!;
      for (let row = 0, at = f; row < rows; row++, at += width) block[at] = values[start + row]!;
    }
    for (let tree = 0; tree < trees.length; tree++) {
      const root = forest.roots[tree]!;
      for (let row = 0; row < rows; row++) scores[start + row]! += walk(forest, root, block, row * width);
    }
  }
}

/** All trees in shared arrays; child indices are absolute. */
interface Forest {
  readonly roots: Int32Array;
  /** Feature index, or -1. */
  readonly feature: Int32Array;
  readonly threshold: Float32Array;
  /** Left child, then right child, per node. */
  readonly child: Int32Array;
  readonly missingLeft: Uint8Array;
  readonly value: Float64Array;
}

function compile(trees: readonly Tree[]): Forest {
  const size = trees.reduce((sum, tree) => sum + tree.feature.length, 0);
  const forest = {
    roots: new Int32Array(trees.length),
    feature: new Int32Array(size),
    threshold: new Float32Array(size),
    child: new Int32Array(2 * size),
    missingLeft: new Uint8Array(size),
    value: new Float64Array(size),
  };
  let base = 0;
  trees.forEach((tree, index) => {
    forest.roots[index] = base;
    forest.feature.set(tree.feature, base);
    forest.threshold.set(tree.threshold, base);
    forest.missingLeft.set(tree.missingLeft, base);
    forest.value.set(tree.value, base);
    for (let node = 0; node < tree.feature.length; node++) {
      forest.child[2 * (base + node)] = base + tree.left[node]!;
      forest.child[2 * (base + node) + 1] = base + tree.right[node]!;
    }
    base += tree.feature.length;
  });
  return forest;
}

function walk(
  { feature, threshold, child, missingLeft, value }: Forest,
  node: number,
  row: Float32Array,
  at: number,
): number {
  for (let f = feature[node]!; f >= 0; f = feature[node]!) {
    const x = row[at + f]!;
    const left = x <= threshold[node]! || (missingLeft[node] === 1 && Number.isNaN(x));
    node = child[2 * node + (left ? 0 : 1)]!;
  }
  return value[node]!;
}
