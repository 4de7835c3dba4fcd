import { windowErrors } from './errors.ts';

/** A dictionary-encoded key: `codes[row]` is in `[0, cardinality)`, or -1 where the row has no such key. */
export interface KeyColumn {
  readonly codes: Int32Array;
  readonly cardinality: number;
}

export type ValueColumn = Float64Array | Float32Array | Int32Array;

/** Event rows, in any order. All columns have the same length; times are whole milliseconds since the Unix epoch. */
export interface EventColumns {
  readonly eventMs: Float64Array;
  readonly knownMs: Float64Array;
  readonly keys: Readonly<Record<string, KeyColumn>>;
  readonly values: Readonly<Record<string, ValueColumn>>;
}

/** Query rows, in any order. A code of a key column means the same as in the events: they share the dictionary. */
export interface QueryColumns {
  readonly atMs: Float64Array;
  readonly keys: Readonly<Record<string, KeyColumn>>;
}

export const ROWS_MAX = 1 << 27;
/** The range of a JavaScript `Date`. Differences of two such times are exact in a double. */
export const TIME_MS_MAX = 8.64e15;

export function checkEvents(events: EventColumns): void {
  const rows = events.eventMs.length;
  checkTimes('events.eventMs', events.eventMs);
  checkTimes('events.knownMs', events.knownMs);
  checkLength('events.knownMs', events.knownMs.length, rows);
}

/** Refuses too many rows, and times that are not whole milliseconds in the range of a `Date`. */
export function checkTimes(field: string, times: Float64Array): void {
  if (times.length > ROWS_MAX) {
    throw windowErrors['window-input-invalid'](`${field}: at most ${ROWS_MAX} rows, got ${times.length}`);
  }
  for (let row = 0; row < times.length; row++) {
    const t = times[row]!;
    if (Math.floor(t) === t && t >= -TIME_MS_MAX && t <= TIME_MS_MAX) continue;
    throw windowErrors['window-input-invalid'](
      `${field}: whole milliseconds between -${TIME_MS_MAX} and ${TIME_MS_MAX}, got ${t} in row ${row}`,
    );
  }
}

export function checkLength(field: string, length: number, rows: number): void {
  if (length === rows) return;
  throw windowErrors['window-input-invalid'](`${field}: ${rows} rows as in the other columns, got ${length}`);
}

/** The value column of that name, checked against the number of rows. */
export function valueColumn(events: EventColumns, name: string): ValueColumn {
  const column = Object.hasOwn(events.values, name) ? events.values[name] : undefined;
  if (!column) throw windowErrors['window-input-invalid'](`events.values.${name}: the column is missing`);
  checkLength(`events.values.${name}`, column.length, events.eventMs.length);
  return column;
}
