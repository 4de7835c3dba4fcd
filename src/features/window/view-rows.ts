import { checkLength, checkTimes, type ValueColumn } from './columns.ts';
import { planOf, type WindowView } from './definition.ts';
import { entityKey } from './entity-key.ts';
import { windowErrors } from './errors.ts';

/**
 * Rows of one entity as delivered, in any order. `ids` are sequence numbers: whole, never negative, and never reused,
 * so that a row that is delivered twice is recognized.
 */
export interface StateRows {
  readonly ids: Float64Array;
  readonly eventMs: Float64Array;
  readonly knownMs: Float64Array;
  readonly values: Readonly<Record<string, Float64Array>>;
}

/** A batch of event rows of many entities. An absent key part (`null`) means that the row belongs to no entity. */
export interface EventBatch {
  readonly ids: Float64Array;
  readonly eventMs: Float64Array;
  readonly knownMs: Float64Array;
  readonly keys: Readonly<Record<string, readonly (string | null)[]>>;
  readonly values: Readonly<Record<string, ValueColumn>>;
}

/**
 * Groups a batch by the view's entity: rows by {@link entityKey}, ready for one `getMany`, an append each, and one
 * `putMany`. Only the value columns that the view aggregates are kept. Rows without an entity are left out.
 */
export function viewRows(batch: EventBatch, view: WindowView): Map<string, StateRows> {
  const plan = planOf(view);
  checkBatch(batch);
  const total = batch.ids.length;
  const keys = view.keys.map((key) => {
    const parts = Object.hasOwn(batch.keys, key) ? batch.keys[key] : undefined;
    if (!parts) throw windowErrors['window-input-invalid'](`keys.${key}: the column is missing`);
    checkLength(`keys.${key}`, parts.length, total);
    return parts;
  });
  const columns = plan.columns.map((name) => {
    const column = Object.hasOwn(batch.values, name) ? batch.values[name] : undefined;
    if (!column) throw windowErrors['window-input-invalid'](`values.${name}: the column is missing`);
    checkLength(`values.${name}`, column.length, total);
    return { name, column };
  });
  const rowsOf = new Map<string, number[]>();
  for (let row = 0; row < total; row++) {
    const parts = keys.flatMap((column) => column[row] ?? []);
    if (parts.length < keys.length) continue;
    const key = entityKey(parts);
    const rows = rowsOf.get(key);
    if (rows) rows.push(row);
    else rowsOf.set(key, [row]);
  }
  // One memory for each column of the batch; the rows of an entity are neighbours in it.
  const order = [...rowsOf.values()].flat();
  const ids = picked(batch.ids, order);
  const eventMs = picked(batch.eventMs, order);
  const knownMs = picked(batch.knownMs, order);
  const values = columns.map(({ name, column }) => ({ name, column: picked(column, order) }));
  const grouped = new Map<string, StateRows>();
  let start = 0;
  for (const [key, rows] of rowsOf) {
    const end = start + rows.length;
    grouped.set(key, {
      ids: ids.subarray(start, end),
      eventMs: eventMs.subarray(start, end),
      knownMs: knownMs.subarray(start, end),
      values: Object.fromEntries(values.map(({ name, column }) => [name, column.subarray(start, end)])),
    });
    start = end;
  }
  return grouped;
}

function picked(column: ValueColumn, rows: readonly number[]): Float64Array {
  const taken = new Float64Array(rows.length);
  for (let i = 0; i < taken.length; i++) taken[i] = column[rows[i]!]!;
  return taken;
}

/** Refuses rows whose columns differ in length, and times or ids that are not whole numbers in their range. */
export function checkBatch(rows: Pick<StateRows, 'ids' | 'eventMs' | 'knownMs'>): void {
  const { ids, eventMs, knownMs } = rows;
  checkLength('eventMs', eventMs.length, ids.length);
  checkLength('knownMs', knownMs.length, ids.length);
  checkTimes('eventMs', eventMs);
  checkTimes('knownMs', knownMs);
  for (let row = 0; row < ids.length; row++) {
    if (Number.isSafeInteger(ids[row]!) && ids[row]! >= 0) continue;
    throw windowErrors['window-input-invalid'](
      `ids: whole numbers from 0 to ${Number.MAX_SAFE_INTEGER}, got ${ids[row]} in row ${row}`,
    );
  }
}
