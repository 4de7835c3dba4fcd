import type { Batch } from '../model-runtime.ts';
import { type CompiledTrees, compileTrees, type ForestNodes } from './compile-trees.ts';

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
  /** Each column of a row, then each once more with its sign turned; see {@link compileTrees}. */
  readonly #row: Float32Array;

  constructor(spec: ForestSpec) {
    const { columns, nodes } = spec;
    this.#spec = spec;
    this.#trees = compileTrees(nodes, columns.length);
    this.#categories = columns.filter(({ kind }) => kind === 'category').length;
    this.#row = new Float32Array(2 * columns.length);
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
      const raw = Math.fround(walk(this.#trees, this.#row));
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

function walk({ roots, feature, child, value, base }: CompiledTrees, row: Float32Array): number {
  let sum = base;
  for (let tree = 0; tree < roots.length; tree++) {
    let node = roots[tree] as number;
    for (let column = feature[node] as number; column >= 0; column = feature[node] as number) {
      // A comparison made a number and not a branch: which way a row goes cannot be predicted.
      node = (child[node] as number) + Number((row[column] as number) > (value[node] as number));
    }
    sum += value[node] as number;
  }
  return sum;
}
