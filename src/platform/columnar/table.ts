import { assert } from '#core/assert';

/** The values of one column. A missing number is NaN, a missing text has the code -1. */
export type ColumnData =
  | { readonly kind: 'float32'; readonly values: Float32Array }
  | { readonly kind: 'float64'; readonly values: Float64Array }
  | { readonly kind: 'text'; readonly codes: Int32Array; readonly dictionary: readonly string[] };

/** A result held as typed arrays, column by column. */
export interface ColumnTable {
  readonly rows: number;
  readonly columns: ReadonlyMap<string, ColumnData>;
}

/** A numeric column in full precision. The column must exist: asking for another is a bug in the query's author. */
export function numbersOf(table: ColumnTable, name: string): Float64Array {
  const column = table.columns.get(name);
  assert(column && column.kind !== 'text', `column '${name}' is not numeric`);
  return column.kind === 'float64' ? column.values : Float64Array.from(column.values);
}

/** A numeric column in single precision. */
export function floatsOf(table: ColumnTable, name: string): Float32Array {
  const column = table.columns.get(name);
  assert(column && column.kind !== 'text', `column '${name}' is not numeric`);
  return column.kind === 'float32' ? column.values : Float32Array.from(column.values);
}

/** A text column as codes into a dictionary, in order of first appearance. */
export function textOf(
  table: ColumnTable,
  name: string,
): { readonly codes: Int32Array; readonly dictionary: readonly string[] } {
  const column = table.columns.get(name);
  assert(column && column.kind === 'text', `column '${name}' is not text`);
  return column;
}

/** The rows with the given numbers, in that order. */
export function selectRows(table: ColumnTable, rows: Int32Array): ColumnTable {
  const columns = new Map<string, ColumnData>();
  for (const [name, column] of table.columns) columns.set(name, selectValues(column, rows));
  return { rows: rows.length, columns };
}

/** The values of one column at the given rows, in that order. */
export function selectValues(column: ColumnData, rows: Int32Array): ColumnData {
  switch (column.kind) {
    case 'text':
      return { ...column, codes: picked(column.codes, rows, new Int32Array(rows.length)) };
    case 'float32':
      return { kind: 'float32', values: picked(column.values, rows, new Float32Array(rows.length)) };
    case 'float64':
      return { kind: 'float64', values: picked(column.values, rows, new Float64Array(rows.length)) };
  }
}

/** A loop, because `from` with a function takes ten times as long. */
function picked<T extends Int32Array | Float32Array | Float64Array>(values: T, rows: Int32Array, target: T): T {
  for (let i = 0; i < rows.length; i++) target[i] = values[rows[i] as number] as number;
  return target;
}
