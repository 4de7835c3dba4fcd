import type { Batch, RowHolder } from '../model-runtime.ts';
import { compileTrees, type ForestNodes } from './compile-trees.ts';
import { TreeWalk } from './tree-walk.ts';

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

interface Rows {
  readonly numeric: ArrayLike<number>;
  readonly categories: readonly string[];
}

/**
 * Boosted trees walked in flat memory. A general runtime spends more on being called for one row than on a hundred
 * small trees. The sum is taken in double precision and rounded to float32, as ONNX Runtime does it over doubles.
 */
export class Forest {
  readonly #spec: ForestSpec;
  readonly #trees: TreeWalk;
  readonly #categories: number;

  constructor(spec: ForestSpec) {
    const { columns, nodes } = spec;
    this.#spec = spec;
    this.#trees = new TreeWalk(compileTrees(nodes, columns.length), columns.length);
    this.#categories = columns.filter(({ kind }) => kind === 'category').length;
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
    const { numeric, categories } = batch;
    const { numeric: width } = this.#spec;
    const scores = new Float32Array(batch.rows);
    for (let i = 0; i < batch.rows; i++) {
      this.#read({ numeric, categories }, i * width, i * this.#categories);
      scores[i] = this.#score();
    }
    return scores;
  }

  runRows(rows: readonly RowHolder[]): Float32Array {
    const scores = new Float32Array(rows.length);
    for (let i = 0; i < rows.length; i++) {
      this.#read((rows[i] as RowHolder).row, 0, 0);
      scores[i] = this.#score();
    }
    return scores;
  }

  /** Memory is all there is to give back, and that the collector does. */
  dispose(): void {}

  #score(): number {
    const raw = Math.fround(this.#trees.walk());
    return this.#spec.sigmoid ? sigmoidOf(raw) : raw;
  }

  /** Lays a row where the trees read it, which rounds its numbers to float32. */
  #read({ numeric, categories }: Rows, from: number, categoriesFrom: number): void {
    const { columns } = this.#spec;
    const { row } = this.#trees;
    const count = columns.length;
    for (let k = 0; k < count; k++) {
      const column = columns[k] as ForestColumn;
      const value =
        column.kind === 'numeric'
          ? (numeric[from + column.index] as number)
          : (column.codes.get(categories[categoriesFrom + column.index] as string) ?? Number.NaN);
      row[k] = value;
      row[count + k] = -value;
    }
  }
}

/** Both halves as ONNX Runtime computes them over doubles, so that the score is the same in every bit. */
function sigmoidOf(raw: number): number {
  return raw < 0 ? 1 - 1 / (1 + Math.exp(raw)) : 1 / (1 + Math.exp(-raw));
}
