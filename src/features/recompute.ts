import {
  type Columnar,
  type ColumnData,
  type ColumnTable,
  identifier,
  numbersOf,
  quoted,
  textOf,
} from '#platform/columnar';
import { featureErrors } from './errors.ts';
import { type FeaturePlan, featureNames, valueColumnsOf } from './plan.ts';
import { longestWindowMs, windowFeatures } from './window/window.ts';

/** A request as it was answered: when, and for which entities. */
export interface AnsweredRow {
  readonly at: number;
  readonly entities: Readonly<Record<string, string>>;
}

export interface RecomputedFeatures {
  readonly names: readonly string[];
  /** One column a feature, one value a row; NaN where there was nothing in the window. */
  readonly values: readonly Float32Array[];
}

/**
 * Computes from a dataset's segments what the online store should have answered for each row: the other half of a skew
 * audit. All views of the plan must be over the dataset that the segments belong to.
 */
export async function recomputeFeatures(
  columnar: Columnar,
  plan: FeaturePlan,
  input: {
    readonly segments: readonly {
      readonly path: string;
      readonly maxAt: number;
      readonly minKnownAt: number;
      readonly maxKnownAt: number;
    }[];
    readonly rows: readonly AnsweredRow[];
  },
): Promise<RecomputedFeatures> {
  const { rows, segments } = input;
  const times = rows.map((row) => row.at);
  const to = times.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const from =
    times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY) - Math.max(...plan.views.map(longestWindowMs));
  // A row known before the earliest window has its event inside one if it was known before it happened.
  const files = segments
    .filter((s) => s.minKnownAt < to && Math.max(s.maxKnownAt, s.maxAt) >= from)
    .map((s) => quoted(s.path));
  const keys = [...new Set(plan.views.flatMap((view) => view.keys))];
  const columns = [...new Set(plan.views.flatMap(valueColumnsOf))];
  const events =
    files.length === 0 ? noEvents(keys, columns) : await columnar.query(eventsSql({ files, keys, columns, from, to }));
  const encoded = keys.map((key) => [key, sharedCodes(events, key, rows)] as const);
  const values = windowFeatures({
    events: {
      eventMs: numbersOf(events, '_at'),
      knownMs: numbersOf(events, '_known'),
      keys: Object.fromEntries(encoded.map(([key, codes]) => [key, codes.events])),
      values: Object.fromEntries(columns.map((name) => [name, numbersOf(events, `value ${name}`)])),
    },
    queries: {
      atMs: Float64Array.from(times),
      keys: Object.fromEntries(encoded.map(([key, codes]) => [key, codes.queries])),
    },
    views: plan.views,
    onlyKnown: true,
  });
  return { names: featureNames(plan), values };
}

function eventsSql(query: {
  readonly files: readonly string[];
  readonly keys: readonly string[];
  readonly columns: readonly string[];
  readonly from: number;
  readonly to: number;
}): string {
  const list = [
    '_at::double as _at',
    '_known::double as _known',
    ...query.keys.map((key) => `${identifier(key)}::varchar as ${identifier(`key ${key}`)}`),
    ...query.columns.map((name) => `${identifier(name)}::double as ${identifier(`value ${name}`)}`),
  ];
  return `select ${list.join(', ')} from read_parquet([${query.files.join(', ')}], union_by_name = true)
    where _known < ${query.to} and greatest(_known, _at) >= ${query.from}`;
}

/** What the query gives where no segment reaches the windows: they are empty, which is an answer too. */
function noEvents(keys: readonly string[], columns: readonly string[]): ColumnTable {
  const numbers = (name: string) => [name, { kind: 'float64', values: new Float64Array(0) }] as const;
  const texts = (name: string) => [name, { kind: 'text', codes: new Int32Array(0), dictionary: [] }] as const;
  return {
    rows: 0,
    columns: new Map<string, ColumnData>([
      ...['_at', '_known', ...columns.map((name) => `value ${name}`)].map(numbers),
      ...keys.map((key) => texts(`key ${key}`)),
    ]),
  };
}

/** Key codes of events and rows in one dictionary; a row's value that no event has gets a code of its own. */
function sharedCodes(events: ColumnTable, key: string, rows: readonly AnsweredRow[]) {
  const { codes, dictionary } = textOf(events, `key ${key}`);
  const codeOf = new Map(dictionary.map((text, code) => [text, code]));
  const ofRows = Int32Array.from(rows, (row) => {
    const text = row.entities[key];
    if (text === undefined) throw featureErrors['missing-entity'](`entities.${key}: the recorded request has none`);
    const known = codeOf.get(text) ?? codeOf.size;
    codeOf.set(text, known);
    return known;
  });
  const cardinality = codeOf.size;
  return { events: { codes, cardinality }, queries: { codes: ofRows, cardinality } };
}
