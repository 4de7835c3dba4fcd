import { seededRandom } from '#core/random';
import { psi } from '#math/drift/psi';
import { type Columns, countsOf, type Profile, profileLike, profileOf } from '#math/summary/profile';
import type { ColumnData, ColumnTable } from '#platform/columnar';
import { numbersOf, selectRows } from '#platform/columnar';

/** What a model was trained on, in the form that monitoring compares live traffic with. */
export interface ReferenceProfile {
  readonly profile: Profile;
  /**
   * Per column the PSI of each window of the reference against the rest of it: what is normal for this column at this
   * window length. Alarm thresholds are quantiles of these, because a customary .1 or .2 fits no column in particular.
   */
  readonly heldOut: Readonly<Record<string, readonly number[]>>;
}

/**
 * Profiles the named columns and the model's scores (as `prediction`). Every window is held out in turn: its rows,
 * at most `windowRows` of them as live windows have no more, are compared with the rows of all other windows.
 */
export function referenceProfile(
  table: ColumnTable,
  options: {
    readonly columns: readonly string[];
    readonly scores: Float64Array;
    readonly windowMs: number;
    readonly windowRows: number;
    readonly seed: number;
  },
): ReferenceProfile {
  const data = new Map<string, ColumnData>(
    options.columns.map((name) => [name, table.columns.get(name) as ColumnData]),
  );
  data.set('prediction', { kind: 'float64', values: options.scores });
  const rows = { rows: table.rows, columns: data };
  const profile = profileOf(columnsOf(rows));
  const heldOut: Record<string, number[]> = Object.fromEntries([...data.keys()].map((name) => [name, []]));
  for (const window of windowsOf(numbersOf(table, '_at'), options)) {
    const whole = profileLike(profile, columnsOf(selectRows(rows, window.rows)));
    const sample = profileLike(profile, columnsOf(selectRows(rows, window.sample)));
    for (const name of data.keys()) {
      const value = psi(countsWithout(profile, whole, name), countsAt(sample, name));
      if (value !== null) heldOut[name]?.push(value);
    }
  }
  return { profile, heldOut };
}

/** The counts of a column in the reference, less those of one of its windows. */
function countsWithout(reference: Profile, window: Profile, name: string): number[] {
  const part = countsAt(window, name);
  return countsAt(reference, name).map((count, i) => count - (part[i] as number));
}

function countsAt(profile: Profile, name: string): readonly number[] {
  return countsOf(profile.columns[name] as Profile['columns'][string]);
}

function windowsOf(
  at: Float64Array,
  { windowMs, windowRows, seed }: { readonly windowMs: number; readonly windowRows: number; readonly seed: number },
): { readonly rows: Int32Array; readonly sample: Int32Array }[] {
  const random = seededRandom(seed);
  const byWindow = new Map<number, number[]>();
  for (let row = 0; row < at.length; row++) {
    const window = Math.floor((at[row] as number) / windowMs);
    const rows = byWindow.get(window);
    if (rows) rows.push(row);
    else byWindow.set(window, [row]);
  }
  return [...byWindow.values()].map((rows) => {
    for (let i = 0; i < Math.min(windowRows, rows.length); i++) {
      const j = i + random.int(rows.length - i);
      const held = rows[i] as number;
      rows[i] = rows[j] as number;
      rows[j] = held;
    }
    return { rows: Int32Array.from(rows), sample: Int32Array.from(rows.slice(0, windowRows)) };
  });
}

function columnsOf(table: ColumnTable): Columns {
  const columns: Record<string, Columns[string]> = {};
  for (const [name, column] of table.columns) {
    columns[name] =
      column.kind === 'text' ? Array.from(column.codes, (code) => column.dictionary[code] ?? null) : column.values;
  }
  return columns;
}
