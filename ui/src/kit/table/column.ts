import type { ReactNode } from 'react';

export type CellValue = string | number | null;

/** A column of a {@link DataTable}: the value that orders and filters, and how it is shown. */
export interface Column<Row> {
  readonly id: string;
  readonly header: string;
  readonly value: (row: Row) => CellValue;
  /** The value itself unless told. */
  readonly cell?: (row: Row) => ReactNode;
  /** Right-aligned. The unit belongs in the header. */
  readonly isNumeric?: boolean;
  /** Not shown until it is chosen. */
  readonly isHidden?: boolean;
  /** Takes the width that is left and is cut with an ellipsis. */
  readonly isWide?: boolean;
}

/**
 * Rows that contain every word of the text in some column; `status:failed` looks in one column only. Case does not
 * matter.
 */
export function filterRows<Row>(rows: readonly Row[], columns: readonly Column<Row>[], text: string): readonly Row[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  const tests = words.map((word) => {
    const colon = word.indexOf(':');
    const named = colon > 0 ? columns.filter((column) => isNamed(column, word.slice(0, colon))) : [];
    return named.length > 0 ? { word: word.slice(colon + 1), columns: named } : { word, columns };
  });
  return rows.filter((row) =>
    tests.every((test) => test.columns.some((column) => textOf(column.value(row)).includes(test.word))),
  );
}

function isNamed(column: { readonly id: string; readonly header: string }, name: string): boolean {
  return column.id.toLowerCase() === name || column.header.toLowerCase() === name;
}

function textOf(value: CellValue): string {
  return value === null ? '' : String(value).toLowerCase();
}

/** Numbers by size, texts by letters with numbers inside them by size; what has no value comes last both ways. */
export function compareValues(a: CellValue, b: CellValue): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b), 'en', { numeric: true });
}
