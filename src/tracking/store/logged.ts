import {
  isLater,
  latestByKey,
  type Metric,
  type MetricPoint,
  numberOf,
  type StoredValue,
  storedValue,
} from '../model.ts';
import { type Db, type MetricTable, tables } from './tables.ts';

type KeyedTable = 'tracking_param' | 'tracking_tag';

/** Params or tags by run, or of the given keys only. */
export async function keyedOf(
  db: Db,
  table: KeyedTable,
  runs: readonly string[],
  keys?: readonly string[],
): Promise<Map<string, Record<string, string>>> {
  let query = tables(db).selectFrom(table).selectAll().where('run', 'in', runs).orderBy('key');
  if (keys) query = query.where('key', 'in', keys);
  return grouped(await query.execute(), (row) => row.value);
}

export async function countKeyed(db: Db, table: KeyedTable, run: string): Promise<number> {
  const row = await tables(db)
    .selectFrom(table)
    .select((e) => e.fn.countAll().as('count'))
    .where('run', '=', run)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Inserts params or tags; a key that exists takes the new value. */
export async function putKeyed(
  db: Db,
  table: KeyedTable,
  run: string,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const rows = Object.entries(values).map(([key, value]) => ({ run, key, value }));
  if (rows.length === 0) return;
  await tables(db)
    .insertInto(table)
    .values(rows)
    .onConflict((c) => c.columns(['run', 'key']).doUpdateSet((e) => ({ value: e.ref('excluded.value') })))
    .execute();
}

/** Appends points and moves the latest values on. A point that is there already is not kept twice. */
export async function appendMetrics(db: Db, run: string, metrics: readonly Metric[]): Promise<void> {
  if (metrics.length === 0) return;
  await tables(db)
    .insertInto('tracking_metric')
    .values(metrics.map((metric) => rowOf(run, metric)))
    .onConflict((c) => c.columns(['run', 'key', 'step', 'timestamp', 'value', 'special']).doNothing())
    .execute();
  const latest = latestByKey(metrics);
  const known = await latestOf(db, [run], [...latest.keys()]);
  const moved = [...latest.values()].filter((metric) => {
    const before = known.get(run)?.[metric.key];
    return !before || isLater(metric, before);
  });
  if (moved.length === 0) return;
  await tables(db)
    .insertInto('tracking_latest_metric')
    .values(moved.map((metric) => rowOf(run, metric)))
    .onConflict((c) =>
      c.columns(['run', 'key']).doUpdateSet((e) => ({
        step: e.ref('excluded.step'),
        timestamp: e.ref('excluded.timestamp'),
        value: e.ref('excluded.value'),
        special: e.ref('excluded.special'),
      })),
    )
    .execute();
}

export async function latestOf(
  db: Db,
  runs: readonly string[],
  keys?: readonly string[],
): Promise<Map<string, Record<string, MetricPoint>>> {
  let query = tables(db).selectFrom('tracking_latest_metric').selectAll().where('run', 'in', runs).orderBy('key');
  if (keys) query = query.where('key', 'in', keys);
  return grouped(await query.execute(), pointOf);
}

/** The points of one metric by step, then time, then value; after the given point when there is one. */
export async function metricHistory(
  db: Db,
  of: { readonly run: string; readonly key: string },
  page: { readonly after: MetricPoint | undefined; readonly limit: number },
): Promise<MetricPoint[]> {
  let query = tables(db)
    .selectFrom('tracking_metric')
    .selectAll()
    .where('run', '=', of.run)
    .where('key', '=', of.key)
    .orderBy('step')
    .orderBy('timestamp')
    .orderBy('value')
    .orderBy('special')
    .limit(page.limit);
  const { after } = page;
  if (after) {
    const { value, special } = storedValue(after.value);
    query = query.where((e) =>
      e(
        e.refTuple('step', 'timestamp', 'value', 'special'),
        '>',
        e.tuple(after.step, after.timestamp, value, special as string),
      ),
    );
  }
  return (await query.execute()).map(pointOf);
}

function grouped<Row extends { run: string; key: string }, Value>(
  rows: readonly Row[],
  value: (row: Row) => Value,
): Map<string, Record<string, Value>> {
  const byRun = new Map<string, [string, Value][]>();
  for (const row of rows) {
    const entries = byRun.get(row.run);
    if (entries) entries.push([row.key, value(row)]);
    else byRun.set(row.run, [[row.key, value(row)]]);
  }
  // Built from entries, so that a key such as __proto__ is a key like any other.
  return new Map([...byRun].map(([run, entries]) => [run, Object.fromEntries(entries)]));
}

function rowOf(run: string, metric: Metric): MetricTable {
  return { run, key: metric.key, step: metric.step, timestamp: metric.timestamp, ...storedValue(metric.value) };
}

function pointOf(row: MetricTable): MetricPoint {
  return { value: numberOf(row as StoredValue), step: row.step, timestamp: row.timestamp };
}
