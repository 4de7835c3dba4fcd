import { errors } from './errors.ts';
import { GBDT_LIMITS } from './limits.ts';

export interface NumericColumn {
  readonly name: string;
  readonly kind: 'numeric';
  /** One value a row; NaN is a missing value. */
  readonly values: Float32Array;
}

export interface CategoryColumn {
  readonly name: string;
  readonly kind: 'category';
  /** Per row an index into `categories`; -1 is a missing value. */
  readonly codes: Int32Array;
  readonly categories: readonly string[];
}

export type Column = NumericColumn | CategoryColumn;

/** Columns of equal length, in the order in which the model will expect them. */
export interface Table {
  readonly rows: number;
  readonly columns: readonly Column[];
}

/**
 * Throws `gbdt/invalid-table` or `gbdt/limit-exceeded` unless lengths, names and codes fit. `path` names the table in
 * the message (`train`, `valid.table`, `table`).
 */
export function checkTable(table: Table, path: string): void {
  const { rows, columns } = table;
  if (!Number.isInteger(rows) || rows < 0)
    throw invalid(`${path}.rows`, `must be an integer of at least 0, got ${rows}`);
  if (rows > GBDT_LIMITS.rowsMax) throw tooMany(`${path}.rows`, rows, GBDT_LIMITS.rowsMax);
  if (columns.length === 0) throw invalid(`${path}.columns`, 'must hold at least one column');
  if (columns.length > GBDT_LIMITS.columnsMax) throw tooMany(`${path}.columns`, columns.length, GBDT_LIMITS.columnsMax);
  const names = new Set<string>();
  for (const column of columns) {
    if (names.has(column.name)) throw invalid(`${path}.columns.${column.name}`, 'is there twice; names must be unique');
    names.add(column.name);
    checkColumn(column, rows, `${path}.columns.${column.name}`);
  }
}

function checkColumn(column: Column, rows: number, path: string): void {
  const length = column.kind === 'numeric' ? column.values.length : column.codes.length;
  if (length !== rows) throw invalid(path, `has ${length} values, but the table has ${rows} rows`);
  if (column.kind === 'numeric') return;
  const { codes, categories } = column;
  if (categories.length > GBDT_LIMITS.categoriesMax) {
    throw tooMany(`${path}.categories`, categories.length, GBDT_LIMITS.categoriesMax);
  }
  if (new Set(categories).size !== categories.length) throw invalid(`${path}.categories`, 'must be distinct');
  for (let row = 0; row < rows; row++) {
    const code = codes[row]!;
    if (code < -1 || code >= categories.length) {
      throw invalid(path, `row ${row} has code ${code}; codes go from -1 (missing) to ${categories.length - 1}`);
    }
  }
}

/** Infinite training values have no midpoint to split at, so they are refused rather than silently moved. */
export function checkFiniteValues(table: Table, path: string): void {
  for (const column of table.columns) {
    if (column.kind !== 'numeric') continue;
    const row = column.values.findIndex((value) => value === Infinity || value === -Infinity);
    if (row < 0) continue;
    const value = column.values[row];
    throw invalid(`${path}.columns.${column.name}`, `row ${row} is ${value}; use NaN for a missing value, or clip it`);
  }
}

function invalid(path: string, message: string): Error {
  return errors['invalid-table'](`${path} ${message}`, [{ path, message }]);
}

function tooMany(path: string, count: number, limit: number): Error {
  const message = `has ${count}, the limit is ${limit}`;
  return errors['limit-exceeded'](`${path} ${message}`, [{ path, message }]);
}
