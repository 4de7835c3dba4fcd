import { seededRandom } from '#core/random';
import {
  type Columnar,
  type ColumnData,
  type ColumnTable,
  floatsOf,
  identifier,
  numbersOf,
  quoted,
  selectValues,
  textOf,
} from '#platform/columnar';
import { featureErrors } from './errors.ts';
import { type PlannedView, valueColumnsOf } from './plan.ts';
import {
  type EventColumns,
  type LeakReport,
  leakCheck,
  longestWindowMs,
  type QueryColumns,
  windowFeatures,
} from './window/window.ts';

/** A segment as a local file. Bounds that are not given exclude nothing. Epoch milliseconds. */
export interface SegmentFile {
  readonly path: string;
  readonly minAt: number;
  readonly maxAt: number;
  readonly minKnownAt?: number;
  readonly maxKnownAt?: number;
}

export interface TrainingSetQuery {
  /** Parquet files of a dataset snapshot, with the bounds that tell which of them can matter. */
  readonly segments: readonly SegmentFile[];
  readonly views: readonly PlannedView[];
  /** Rows whose event lies in `[from, to)`, in epoch milliseconds, and that were known before `knownBefore`. */
  readonly rows: { readonly from: number; readonly to: number; readonly knownBefore?: number | undefined };
  /** Uniform sample of that many rows; all of them unless told. */
  readonly sampleRows?: number | undefined;
  readonly seed: number;
  /** The label as an SQL expression over the dataset's columns, cast to a number. */
  readonly label: string;
  /** Columns that a request brings with it, by name, as SQL expressions: numbers or texts. */
  readonly columns: Readonly<Record<string, string>>;
}

export interface TrainingSet {
  /** `_row`, `_at`, `label`, then the request columns, then the features in the order of the views. */
  readonly table: ColumnTable;
  /** What each feature of each row is proved to have used: nothing that became known after the row's time. */
  readonly leaks: LeakReport;
  /** Rows of the range before sampling. */
  readonly candidates: number;
}

/**
 * Builds a training set with point-in-time features: row by row what the online store would have answered at the
 * row's own event time, because both evaluate the same definition. A view over event time is evaluated as it is
 * declared, also where that reaches into the future, and the leak check then says so.
 *
 * Errors: `features/no-rows`, `features/name-taken`, `columnar/bad-sql` for an expression.
 */
export async function buildTrainingSet(columnar: Columnar, query: TrainingSetQuery): Promise<TrainingSet> {
  refuseTwins(query);
  const events = await columnar.query(eventsSql(query));
  const chosen = chooseRows(events, query);
  const { eventColumns, queryColumns } = windowInput(events, chosen.rows, query.views);
  const input = { events: eventColumns, queries: queryColumns, views: query.views };
  const features = windowFeatures(input);
  const columns = new Map<string, ColumnData>();
  for (const name of ['_row', '_at', 'label'])
    columns.set(name, selectValues(events.columns.get(name) as ColumnData, chosen.rows));
  for (const name of Object.keys(query.columns)) {
    columns.set(name, selectValues(events.columns.get(`column ${name}`) as ColumnData, chosen.rows));
  }
  const names = query.views.flatMap((view) => view.features.map((feature) => feature.name));
  names.forEach((name, i) => void columns.set(name, { kind: 'float32', values: features[i] as Float32Array }));
  return {
    table: { rows: chosen.rows.length, columns },
    leaks: leakCheck(input),
    candidates: chosen.candidates,
  };
}

function refuseTwins(query: TrainingSetQuery): void {
  const names = [...Object.keys(query.columns), ...query.views.flatMap((view) => view.features.map((f) => f.name))];
  const twin = names.find((name, i) => names.indexOf(name) !== i || name === 'label' || name.startsWith('_'));
  if (twin !== undefined) throw featureErrors['name-taken'](`'${twin}' is used twice or reserved: rename one of them`);
}

/** Everything a window of the asked rows can reach, and the asked rows themselves, in one table. */
function eventsSql(query: TrainingSetQuery): string {
  const reach = Math.max(0, ...query.views.map(longestWindowMs));
  const from = query.rows.from - reach;
  // A row can become known long after its event, or before it, and a window may look at either time.
  const files = query.segments
    .filter(({ maxAt, maxKnownAt = Number.POSITIVE_INFINITY }) => Math.max(maxAt, maxKnownAt) >= from)
    .filter(({ minAt, minKnownAt = Number.NEGATIVE_INFINITY }) => Math.min(minAt, minKnownAt) < query.rows.to)
    .map(({ path }) => quoted(path));
  if (files.length === 0) throw featureErrors['no-rows']('no segment of the snapshot overlaps the asked range');
  const keys = [...new Set(query.views.flatMap((view) => view.keys))];
  const values = [...new Set(query.views.flatMap(valueColumnsOf))];
  const list = [
    '_row::double as _row',
    '_at::double as _at',
    '_known::double as _known',
    `(${query.label})::float as label`,
    ...keys.map((key) => `${identifier(key)}::varchar as ${identifier(`key ${key}`)}`),
    ...values.map((name) => `${identifier(name)}::double as ${identifier(`value ${name}`)}`),
    ...Object.entries(query.columns).map(([name, sql]) => `(${sql}) as ${identifier(`column ${name}`)}`),
  ];
  return `select ${list.join(', ')} from read_parquet([${files.join(', ')}], union_by_name = true)
    where greatest(_known, _at) >= ${from} and least(_known, _at) < ${query.rows.to} order by _row`;
}

function chooseRows(
  events: ColumnTable,
  query: TrainingSetQuery,
): { readonly rows: Int32Array; readonly candidates: number } {
  const at = numbersOf(events, '_at');
  const known = numbersOf(events, '_known');
  const label = floatsOf(events, 'label');
  const { from, to, knownBefore = Number.POSITIVE_INFINITY } = query.rows;
  const candidates: number[] = [];
  for (let i = 0; i < events.rows; i++) {
    const inside = (at[i] as number) >= from && (at[i] as number) < to && (known[i] as number) < knownBefore;
    if (inside && !Number.isNaN(label[i] as number)) candidates.push(i);
  }
  if (candidates.length === 0) {
    const range = `${new Date(from).toISOString()} to ${new Date(to).toISOString()}`;
    throw featureErrors['no-rows'](`no labelled row has its event in ${range}`);
  }
  const wanted = Math.min(query.sampleRows ?? candidates.length, candidates.length);
  const random = seededRandom(query.seed);
  // Partial Fisher–Yates: the first `wanted` places are a uniform sample without replacement.
  for (let i = 0; i < wanted; i++) {
    const j = i + random.int(candidates.length - i);
    const held = candidates[i] as number;
    candidates[i] = candidates[j] as number;
    candidates[j] = held;
  }
  return { rows: Int32Array.from(candidates.slice(0, wanted)).sort(), candidates: candidates.length };
}

function windowInput(
  events: ColumnTable,
  rows: Int32Array,
  views: readonly PlannedView[],
): { readonly eventColumns: EventColumns; readonly queryColumns: QueryColumns } {
  const keyNames = [...new Set(views.flatMap((view) => view.keys))];
  const valueNames = [...new Set(views.flatMap(valueColumnsOf))];
  const keysAt = (codesOf: (codes: Int32Array) => Int32Array): EventColumns['keys'] =>
    Object.fromEntries(
      keyNames.map((name) => {
        const { codes, dictionary } = textOf(events, `key ${name}`);
        return [name, { codes: codesOf(codes), cardinality: dictionary.length }];
      }),
    );
  const at = numbersOf(events, '_at');
  return {
    eventColumns: {
      eventMs: at,
      knownMs: numbersOf(events, '_known'),
      keys: keysAt((codes) => codes),
      values: Object.fromEntries(valueNames.map((name) => [name, numbersOf(events, `value ${name}`)])),
    },
    queryColumns: {
      atMs: Float64Array.from(rows, (row) => at[row] as number),
      keys: keysAt((codes) => Int32Array.from(rows, (row) => codes[row] as number)),
    },
  };
}
