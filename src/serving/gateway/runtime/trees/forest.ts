import type { Batch } from '../model-runtime.ts';
import { type CompiledTrees, compileTrees, type ForestNodes, LANES, NODE_WORDS } from './compile-trees.ts';

/** Where a column of the matrix that the trees read comes from. */
export type ForestColumn =
  | { readonly kind: 'numeric'; readonly index: number }
  /** A text without a code is a missing value. */
  | { readonly kind: 'category'; readonly index: number; readonly codes: ReadonlyMap<string, number> };

export interface ForestSpec {
  readonly columns: readonly ForestColumn[];
  readonly nodes: ForestNodes;
  /** Numeric columns of a batch. */
  readonly numeric: number;
  readonly sigmoid: boolean;
}

/**
 * Boosted trees walked in flat arrays. A general runtime spends more on being called for one row than on a hundred
 * small trees. The sum is taken in double precision and rounded to float32, as ONNX Runtime does it over doubles.
 */
export class Forest {
  readonly #spec: ForestSpec;
  readonly #trees: CompiledTrees;
  readonly #categories: number;
  /** Each column of a row, then each once more with its sign turned, then none; see {@link compileTrees}. */
  readonly #row: Float32Array;
  /** The leaf of each tree. */
  readonly #ends: Int32Array;

  constructor(spec: ForestSpec) {
    const { columns, nodes } = spec;
    this.#spec = spec;
    this.#trees = compileTrees(nodes, columns.length);
    this.#categories = columns.filter(({ kind }) => kind === 'category').length;
    this.#row = new Float32Array(2 * columns.length + 1).fill(Number.NaN);
    this.#ends = new Int32Array(nodes.roots.length);
  }

  get columns(): readonly ForestColumn[] {
    return this.#spec.columns;
  }

  /** Thresholds at which a column splits, at most `max`: the values around which a mistake would show. */
  thresholds(column: number, max: number): readonly number[] {
    const { feature, value } = this.#spec.nodes;
    const found: number[] = [];
    for (let i = 0; i < feature.length && found.length < max; i++) {
      if (feature[i] === column) found.push(value[i] as number);
    }
    return found;
  }

  run(batch: Batch): Float32Array {
    const scores = new Float32Array(batch.rows);
    for (let i = 0; i < batch.rows; i++) {
      this.#read(batch, i);
      const raw = Math.fround(walk(this.#trees, this.#row, this.#ends));
      scores[i] = this.#spec.sigmoid ? sigmoidOf(raw) : raw;
    }
    return scores;
  }

  /** Memory is all there is to give back, and that the collector does. */
  dispose(): void {}

  #read({ numeric, categories }: Batch, i: number): void {
    const { columns, numeric: width } = this.#spec;
    const row = this.#row;
    for (let k = 0; k < columns.length; k++) {
      const column = columns[k] as ForestColumn;
      const value =
        column.kind === 'numeric'
          ? (numeric[i * width + column.index] as number)
          : (column.codes.get(categories[i * this.#categories + column.index] as string) ?? Number.NaN);
      row[k] = value;
      row[columns.length + k] = -value;
    }
  }
}

/** Both halves as ONNX Runtime computes them over doubles, so that the score is the same in every bit. */
function sigmoidOf(raw: number): number {
  return raw < 0 ? 1 - 1 / (1 + Math.exp(raw)) : 1 / (1 + Math.exp(-raw));
}

/**
 * Walks {@link LANES} trees at a time: the processor works on one while it waits for the memory of another, and no jump
 * depends on the row, since a walk that has come to its leaf stays there.
 */
function walk(
  { ints, floats, roots, trees, depths, base, count }: CompiledTrees,
  row: Float32Array,
  ends: Int32Array,
): number {
  // The feature of leaves.
  const none = row.length - 1;
  for (let group = 0, at = 0; group < depths.length; group++, at += LANES) {
    let a = roots[at] as number;
    let b = roots[at + 1] as number;
    let c = roots[at + 2] as number;
    let d = roots[at + 3] as number;
    for (let steps = depths[group] as number; steps > 0; steps--) {
      // Few rows go to the bottom of a deep tree.
      if ((steps & 7) === 0 && ints[a] === none && ints[b] === none && ints[c] === none && ints[d] === none) break;
      // A comparison made a number and not a branch: which way a row goes cannot be predicted.
      a = (ints[a + 2] as number) + NODE_WORDS * Number((row[ints[a] as number] as number) > (floats[a + 1] as number));
      b = (ints[b + 2] as number) + NODE_WORDS * Number((row[ints[b] as number] as number) > (floats[b + 1] as number));
      c = (ints[c + 2] as number) + NODE_WORDS * Number((row[ints[c] as number] as number) > (floats[c + 1] as number));
      d = (ints[d + 2] as number) + NODE_WORDS * Number((row[ints[d] as number] as number) > (floats[d + 1] as number));
    }
    ends[trees[at] as number] = a;
    ends[trees[at + 1] as number] = b;
    ends[trees[at + 2] as number] = c;
    ends[trees[at + 3] as number] = d;
  }
  let sum = base;
  for (let tree = 0; tree < count; tree++) sum += floats[(ends[tree] as number) + 1] as number;
  return sum;
}
