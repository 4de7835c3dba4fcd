import { type Random, shuffle } from '#core/random';
import type { Column, Table } from '#learn/gbdt';
import { errors } from './errors.ts';

/** Limits on one call; each (column, permutation) pair scores the whole table once. */
export const PERMUTATION_LIMITS = { permutationsMax: 100 } as const;

export interface PermutationInput {
  readonly table: Table;
  /** Scores a table: any model, in this process or behind a wire. */
  readonly predict: (table: Table) => Float64Array | Promise<Float64Array>;
  /** The quality of the predictions as a loss, smaller is better: squared error, log loss, 1 - AUC. */
  readonly loss: (predictions: Float64Array) => number;
  /** How rows are shuffled: drawn, or given (position i takes the value of row `permutation[i]`). */
  readonly permutations: { readonly random: Random; readonly count: number } | readonly ArrayLike<number>[];
}

export interface PermutationImportance {
  readonly name: string;
  /** Mean growth of the loss when the column is shuffled. */
  readonly mean: number;
  /** Sample standard deviation over the permutations; 0 for a single one. */
  readonly deviation: number;
  readonly growth: readonly number[];
}

/**
 * How much worse a model predicts when one column is shuffled, for every column in table order (Breiman, "Random
 * forests", 2001; model-agnostic form: Fisher, Rudin and Dominici 2019). All columns share the same permutations, so
 * that their differences are not noise of the draw.
 *
 * Throws `explain/invalid-input` when there is no permutation, too many, or one of another length than the table.
 */
export async function permutationImportance(
  input: PermutationInput,
): Promise<{ readonly loss: number; readonly columns: readonly PermutationImportance[] }> {
  const { table, predict, loss } = input;
  const permutations = permutationsOf(input);
  const before = loss(await predict(table));
  const columns: PermutationImportance[] = [];
  for (const [index, column] of table.columns.entries()) {
    const growth: number[] = [];
    for (const permutation of permutations) {
      const shuffled = table.columns.with(index, permuteColumn(column, permutation));
      growth.push(loss(await predict({ rows: table.rows, columns: shuffled })) - before);
    }
    columns.push({ name: column.name, ...spread(growth), growth });
  }
  return { loss: before, columns };
}

function permutationsOf({ table, permutations }: PermutationInput): readonly ArrayLike<number>[] {
  const count = 'random' in permutations ? permutations.count : permutations.length;
  if (!Number.isInteger(count) || count < 1 || count > PERMUTATION_LIMITS.permutationsMax) {
    throw invalid('permutations', `must be 1 to ${PERMUTATION_LIMITS.permutationsMax}, got ${count}`);
  }
  if ('random' in permutations) {
    const { random } = permutations;
    return Array.from({ length: count }, () =>
      shuffle(
        Uint32Array.from({ length: table.rows }, (_, i) => i),
        random,
      ),
    );
  }
  permutations.forEach((permutation, index) => {
    const rows = new Set(
      Array.from(permutation).filter((row) => Number.isInteger(row) && row >= 0 && row < table.rows),
    );
    if (permutation.length === table.rows && rows.size === table.rows) return;
    throw invalid(`permutations.${index}`, `must hold each of the ${table.rows} rows once`);
  });
  return permutations;
}

function invalid(path: string, message: string): Error {
  return errors['invalid-input'](`${path} ${message}`, [{ path, message }]);
}

function permuteColumn(column: Column, permutation: ArrayLike<number>): Column {
  if (column.kind === 'numeric')
    return { ...column, values: column.values.map((_, i) => column.values[permutation[i]!]!) };
  return { ...column, codes: column.codes.map((_, i) => column.codes[permutation[i]!]!) };
}

function spread(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0 };
}
