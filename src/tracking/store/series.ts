import {
  isLater,
  latestByKey,
  type Metric,
  type MetricPoint,
  numberOf,
  type StoredValue,
  storedValue,
} from '../model.ts';
import { type BulkInsert, insertMany, isAmong, padded } from './bulk.ts';
import { type Db, type SeriesTable, tables } from './tables.ts';

const POINTS: BulkInsert<'tracking_point'> = {
  name: 'points',
  table: 'tracking_point',
  columns: { series: 'bigint', timestamp: 'bigint', step: 'bigint', value: 'double precision', special: 'text' },
  conflict: (insert) => insert.onConflict((c) => c.doNothing()),
};

const SERIES: BulkInsert<'tracking_series'> = {
  name: 'series',
  table: 'tracking_series',
  columns: {
    ...{ id: 'bigint', run: 'text', experiment: 'text', key: 'text' },
    ...{ step: 'bigint', timestamp: 'bigint', value: 'double precision', special: 'text' },
  },
  conflict: (insert) =>
    insert.onConflict((c) =>
      c.column('id').doUpdateSet((e) => ({
        step: e.ref('excluded.step'),
        timestamp: e.ref('excluded.timestamp'),
        value: e.ref('excluded.value'),
        special: e.ref('excluded.special'),
      })),
    ),
};

export interface RunMetrics {
  readonly run: string;
  readonly experiment: string;
  readonly metrics: readonly Metric[];
}

/**
 * Appends points and moves the latest values on. A point that is there already, as after a retry, is not kept twice:
 * its key is looked up, nothing is scanned. Returns the runs that have metrics now which they did not have before.
 */
export async function appendMetrics(db: Db, batches: readonly RunMetrics[], known: KnownSeries): Promise<string[]> {
  const runs = mergedByRun(batches);
  const moved: unknown[] = [];
  const points: unknown[] = [];
  const grown: string[] = [];
  let next: number | undefined;
  for (const { run, experiment, metrics, latest } of runs) {
    const series = known.get(run) ?? new Map<string, SeriesTable>();
    const ids = new Map<string, number>();
    for (const metric of latest.values()) {
      const before = series.get(metric.key);
      if (!before) next ??= await nextSeries(db);
      const id = before ? before.id : (next ?? 0);
      if (!before) next = id + 1;
      ids.set(metric.key, id);
      if (before && !isLater(metric, pointOf(before))) continue;
      const { value, special } = storedValue(metric.value);
      moved.push(id, run, experiment, metric.key, metric.step, metric.timestamp, value, special);
    }
    if (latest.size > series.size) grown.push(run);
    for (const metric of metrics) {
      const { value, special } = storedValue(metric.value);
      points.push(ids.get(metric.key), metric.timestamp, metric.step, value, special);
    }
  }
  await Promise.all([insertMany(db, SERIES, moved), insertMany(db, POINTS, points)]);
  return grown;
}

interface MergedMetrics extends RunMetrics {
  readonly latest: ReadonlyMap<string, Metric>;
}

/** One batch for each run. */
function mergedByRun(batches: readonly RunMetrics[]): MergedMetrics[] {
  const byRun = Map.groupBy(batches, ({ run }) => run);
  return [...byRun].flatMap(([run, [first, ...others]]) => {
    if (!first) return [];
    const metrics = others.length === 0 ? first.metrics : [first, ...others].flatMap((batch) => batch.metrics);
    return [{ run, experiment: first.experiment, metrics, latest: latestByKey(metrics) }];
  });
}

/** The series that metrics have, by run and key. */
export type KnownSeries = ReadonlyMap<string, ReadonlyMap<string, SeriesTable>>;

/** Those of the metrics. Runs that have metrics of the same names are asked for in one query. */
export async function knownSeries(
  db: Db,
  batches: readonly Pick<RunMetrics, 'run' | 'metrics'>[],
): Promise<KnownSeries> {
  const known = new Map<string, Map<string, SeriesTable>>();
  const runs = [...Map.groupBy(batches, ({ run }) => run)].map(([run, each]) => {
    return { run, keys: [...new Set(each.flatMap(({ metrics }) => metrics.map(({ key }) => key)))] };
  });
  const alike = Map.groupBy(runs, ({ keys }) => JSON.stringify(keys.toSorted()));
  for (const group of alike.values()) {
    const keys = group[0]?.keys ?? [];
    if (keys.length === 0) continue;
    const rows = await tables(db)
      .selectFrom('tracking_series')
      .selectAll()
      .where((e) =>
        e.and([
          isAmong(
            db,
            'run',
            group.map(({ run }) => run),
          ),
          isAmong(db, 'key', keys),
        ]),
      )
      .execute();
    for (const [run, found] of Map.groupBy(rows, (row) => row.run)) {
      known.set(run, new Map(found.map((row) => [row.key, row])));
    }
  }
  return known;
}

export async function countSeries(db: Db, run: string): Promise<number> {
  const row = await tables(db)
    .selectFrom('tracking_series')
    .select((e) => e.fn.countAll().as('count'))
    .where('run', '=', run)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** The latest point of each metric of runs. */
export function latestRows(db: Db, runs: readonly string[]) {
  return tables(db)
    .selectFrom('tracking_series')
    .select(['run', 'key', 'step', 'timestamp', 'value', 'special'])
    .where(isAmong(db, 'run', runs))
    .orderBy('run')
    .orderBy('key');
}

export interface HistoryPage {
  /** By step, then time, as charts have it; or by time, then step, as MLflow has it and as points lie. */
  readonly order: 'step' | 'timestamp';
  readonly after: MetricPoint | undefined;
  readonly limit: number;
}

/** The points of one metric, those of the same step and time by value; after the given point when there is one. */
export async function metricHistory(
  db: Db,
  of: { readonly run: string; readonly key: string },
  { order, after, limit }: HistoryPage,
): Promise<MetricPoint[]> {
  const series = (await seriesOf(db, of.run, [of.key])).get(of.key);
  if (!series) return [];
  const [first, second] = order === 'step' ? (['step', 'timestamp'] as const) : (['timestamp', 'step'] as const);
  let query = tables(db)
    .selectFrom('tracking_point')
    .select(['step', 'timestamp', 'value', 'special'])
    .where('series', '=', series.id)
    .orderBy(first)
    .orderBy(second)
    .orderBy('value')
    .orderBy('special')
    .limit(limit);
  if (after) {
    const { value, special } = storedValue(after.value);
    query = query.where((e) =>
      e(
        e.refTuple(first, second, 'value', 'special'),
        '>',
        e.tuple(after[first], after[second], value, special as string),
      ),
    );
  }
  return (await query.execute()).map(pointOf);
}

export interface StepRange {
  readonly start: number | undefined;
  readonly end: number | undefined;
}

/** The distinct steps of a metric within a range, in order. */
export async function stepsOf(
  db: Db,
  of: { readonly run: string; readonly key: string },
  range: StepRange,
): Promise<number[]> {
  let query = tables(db)
    .selectFrom('tracking_point')
    .innerJoin('tracking_series', 'tracking_series.id', 'tracking_point.series')
    .select('tracking_point.step')
    .distinct()
    .where('tracking_series.run', '=', of.run)
    .where('tracking_series.key', '=', of.key)
    .orderBy('tracking_point.step');
  if (range.start !== undefined) query = query.where('tracking_point.step', '>=', range.start);
  if (range.end !== undefined) query = query.where('tracking_point.step', '<=', range.end);
  return (await query.execute()).map((row) => row.step);
}

/** The points of a metric at the given steps, by time, step and value. */
export async function pointsAt(
  db: Db,
  of: { readonly run: string; readonly key: string },
  steps: readonly number[],
): Promise<MetricPoint[]> {
  const series = (await seriesOf(db, of.run, [of.key])).get(of.key);
  if (!series || steps.length === 0) return [];
  const rows = await tables(db)
    .selectFrom('tracking_point')
    .select(['step', 'timestamp', 'value', 'special'])
    .where('series', '=', series.id)
    .where('step', 'in', padded(steps))
    .orderBy('timestamp')
    .orderBy('step')
    .orderBy('value')
    .execute();
  return rows.map(pointOf);
}

async function seriesOf(db: Db, run: string, keys: readonly string[]): Promise<Map<string, SeriesTable>> {
  const rows = await tables(db)
    .selectFrom('tracking_series')
    .selectAll()
    .where('run', '=', run)
    .where('key', 'in', padded(keys))
    .execute();
  return new Map(rows.map((row) => [row.key, row]));
}

async function nextSeries(db: Db): Promise<number> {
  const last = await tables(db)
    .selectFrom('tracking_series')
    .select((e) => e.fn.max('id').as('id'))
    .executeTakeFirst();
  return Number(last?.id ?? 0) + 1;
}

export function pointOf(row: { step: number; timestamp: number; value: number; special: string }): MetricPoint {
  return { value: numberOf(row as StoredValue), step: row.step, timestamp: row.timestamp };
}
