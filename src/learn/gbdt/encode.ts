import { encodeCategories } from './categories.ts';
import { errors } from './errors.ts';
import type { Feature } from './model.ts';
import { checkTable, type Table } from './table.ts';

/**
 * The table's columns as the model's features, one float32 array each: columns are found by name, categories become
 * ordinals, everything unknown becomes NaN. Columns that the model does not know are ignored.
 *
 * Throws `gbdt/invalid-table` naming the column that is absent or of the wrong kind.
 */
export function encodeTable(features: readonly Feature[], table: Table, path: string): Float32Array[] {
  checkTable(table, path);
  const byName = new Map(table.columns.map((column) => [column.name, column]));
  return features.map((feature) => {
    const column = byName.get(feature.name);
    if (column?.kind === 'numeric' && feature.kind === 'numeric') return column.values;
    if (column?.kind === 'category' && feature.kind === 'category') return encodeCategories(column, feature.ranked);
    const message = column
      ? `is a ${column.kind} column, the model expects a ${feature.kind} one`
      : `is absent; the model was trained with the columns ${features.map(({ name }) => name).join(', ')}`;
    const field = `${path}.columns.${feature.name}`;
    throw errors['invalid-table'](`${field} ${message}`, [{ path: field, message }]);
  });
}
