import { type ColumnTable, floatsOf, textOf } from '#platform/columnar';
import type { ModelSignature } from '../../routing.ts';
import type { Batch } from '../runtime/model-runtime.ts';

/** Rows of one run: enough that what a run costs by itself no longer counts, and little enough for the caches. */
const BATCH_ROWS = 2_048;

/** The rows of a table as a model takes them: a missing number is NaN, a missing text the empty one. */
export function* batchesOf(table: ColumnTable, { inputs }: ModelSignature): Iterable<Batch> {
  const named = (kind: 'numeric' | 'category'): string[] =>
    inputs.filter((input) => input.kind === kind).map(({ name }) => name);
  const numbers = named('numeric').map((name) => floatsOf(table, name));
  const texts = named('category').map((name) => textOf(table, name));
  for (let from = 0; from < table.rows; from += BATCH_ROWS) {
    const rows = Math.min(BATCH_ROWS, table.rows - from);
    const numeric = new Float32Array(rows * numbers.length);
    for (const [column, values] of numbers.entries()) {
      for (let row = 0; row < rows; row++) numeric[row * numbers.length + column] = values[from + row] as number;
    }
    const categories: string[] = [];
    for (let row = from; row < from + rows; row++) {
      for (const { codes, dictionary } of texts) categories.push(dictionary[codes[row] as number] ?? '');
    }
    yield { rows, numeric, categories };
  }
}
