import { assert } from '#core/assert';
import type { Column, Table } from '#learn/gbdt';
import { type ColumnData, type ColumnTable, numbersOf, selectRows } from '#platform/columnar';

/** The named columns of a table in the form that models take: numbers as float32, texts as categories. */
export function modelTable(table: ColumnTable, names: readonly string[]): Table {
  return { rows: table.rows, columns: names.map((name) => columnOf(name, table.columns.get(name))) };
}

function columnOf(name: string, data: ColumnData | undefined): Column {
  assert(data, `the training set has no column '${name}'`);
  if (data.kind === 'text') return { name, kind: 'category', codes: data.codes, categories: data.dictionary };
  const values = data.kind === 'float32' ? data.values : Float32Array.from(data.values);
  return { name, kind: 'numeric', values };
}

/**
 * Splits rows at the moment before which `share` of them happened. A model that is judged on rows of the same days it
 * was trained on looks better than it will be, so the later rows are held out.
 */
export function splitByTime(
  table: ColumnTable,
  share: number,
): { readonly earlier: ColumnTable; readonly later: ColumnTable } {
  const at = numbersOf(table, '_at');
  const sorted = Float64Array.from(at).sort();
  const cut = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
  const rows = Array.from({ length: table.rows }, (_, i) => i);
  return {
    earlier: selectRows(table, Int32Array.from(rows.filter((row) => (at[row] as number) < cut))),
    later: selectRows(table, Int32Array.from(rows.filter((row) => (at[row] as number) >= cut))),
  };
}
