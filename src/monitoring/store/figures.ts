import type { DriftCell, FigureView } from '../contract.ts';
import type { DriftFigure } from '../drift.ts';
import type { AlertSeries, AlertWindow, TimeRange } from '../model.ts';
import { ALL_REVISIONS, type Figure } from '../quality.ts';
import { type Db, type DriftFigureTable, partsOf, tables, type WindowFigureTable } from './tables.ts';

/** Where and when figures were measured. */
export interface Measured {
  readonly endpoint: string;
  readonly monitor: string;
  readonly start: number;
  readonly windowMs: number;
  /** Event time. */
  readonly at: number;
}

const INSERT_ROWS = 40;

/** Publishes figures that are new, or differ in value from their latest version. Tells how many. */
export async function publishFigures(db: Db, where: Measured, figures: readonly Figure[]): Promise<number> {
  const rows = await tables(db)
    .selectFrom('window_figure')
    .select(['revision', 'metric', 'version', 'value'])
    .where('monitor', '=', where.monitor)
    .where('window_start', '=', where.start)
    .orderBy('version')
    .execute();
  const latest = new Map(rows.map((row) => [`${row.revision}\n${row.metric}`, row]));
  const changed = figures.flatMap((figure): WindowFigureTable[] => {
    const before = latest.get(`${figure.revision}\n${figure.metric}`);
    if (before && before.value === figure.value) return [];
    return [
      {
        endpoint: where.endpoint,
        monitor: where.monitor,
        window_start: where.start,
        window_ms: where.windowMs,
        version: (before?.version ?? 0) + 1,
        at: where.at,
        ...figure,
      },
    ];
  });
  for (const part of partsOf(changed, INSERT_ROWS)) await tables(db).insertInto('window_figure').values(part).execute();
  return changed.length;
}

/** As {@link publishFigures}, for drift. */
export async function publishDrift(db: Db, where: Measured, figures: readonly DriftFigure[]): Promise<number> {
  const rows = await tables(db)
    .selectFrom('drift_figure')
    .select(['feature', 'version', 'value', 'revision'])
    .where('monitor', '=', where.monitor)
    .where('window_start', '=', where.start)
    .orderBy('version')
    .execute();
  const latest = new Map(rows.map((row) => [row.feature, row]));
  const changed = figures.flatMap((figure): DriftFigureTable[] => {
    const before = latest.get(figure.feature);
    if (before && before.value === figure.value && before.revision === figure.revision) return [];
    return [
      {
        endpoint: where.endpoint,
        monitor: where.monitor,
        window_start: where.start,
        version: (before?.version ?? 0) + 1,
        at: where.at,
        ...figure,
        counts: JSON.stringify(figure.counts),
      },
    ];
  });
  for (const part of partsOf(changed, INSERT_ROWS)) await tables(db).insertInto('drift_figure').values(part).execute();
  return changed.length;
}

/** The newest `n` windows of a metric over all revisions, oldest first, each in its latest version. */
export async function lastWindows(
  db: Db,
  { monitor, metric, n }: { readonly monitor: string; readonly metric: string; readonly n: number },
): Promise<AlertWindow[]> {
  const rows = await tables(db)
    .selectFrom('window_figure')
    .select(['window_start', 'value'])
    .where('monitor', '=', monitor)
    .where('metric', '=', metric)
    .where('revision', '=', ALL_REVISIONS)
    .where((e) =>
      e(
        'window_start',
        'in',
        e
          .selectFrom('window_figure as recent')
          .select('recent.window_start')
          .distinct()
          .where('recent.monitor', '=', monitor)
          .where('recent.metric', '=', metric)
          .where('recent.revision', '=', ALL_REVISIONS)
          .orderBy('recent.window_start', 'desc')
          .limit(n),
      ),
    )
    .orderBy('window_start')
    .orderBy('version')
    .execute();
  const latest = new Map(rows.map((row) => [row.window_start, row.value]));
  return [...latest].map(([start, value]) => ({ start, value, threshold: null }));
}

/** The newest `n` windows with drift figures, by feature. */
export async function lastDrift(db: Db, monitor: string, n: number): Promise<AlertSeries[]> {
  const rows = await tables(db)
    .selectFrom('drift_figure')
    .select(['window_start', 'feature', 'value', 'threshold'])
    .where('monitor', '=', monitor)
    .where((e) =>
      e(
        'window_start',
        'in',
        e
          .selectFrom('drift_figure as recent')
          .select('recent.window_start')
          .distinct()
          .where('recent.monitor', '=', monitor)
          .orderBy('recent.window_start', 'desc')
          .limit(n),
      ),
    )
    .orderBy('window_start')
    .orderBy('version')
    .execute();
  const features = Map.groupBy(rows, (row) => row.feature);
  return [...features]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([feature, versions]) => {
      const latest = new Map(versions.map((row) => [row.window_start, row]));
      const windows = [...latest.values()].map(({ window_start: start, value, threshold }) => ({
        start,
        value,
        threshold,
      }));
      return { feature, windows };
    });
}

export interface FigureFilter extends TimeRange {
  readonly endpoint: string;
  readonly monitor?: string | undefined;
  readonly metric?: string | undefined;
  readonly revision?: string | undefined;
  readonly limit: number;
}

/** All versions of the figures that match, by window and version. */
export async function listFigures(db: Db, filter: FigureFilter): Promise<FigureView[]> {
  let query = tables(db)
    .selectFrom('window_figure')
    .selectAll()
    .where('endpoint', '=', filter.endpoint)
    .where('window_start', '>=', filter.from)
    .where('window_start', '<', filter.to)
    .orderBy('window_start')
    .orderBy('monitor')
    .orderBy('metric')
    .orderBy('revision')
    .orderBy('version')
    .limit(filter.limit);
  if (filter.monitor !== undefined) query = query.where('monitor', '=', filter.monitor);
  if (filter.metric !== undefined) query = query.where('metric', '=', filter.metric);
  if (filter.revision !== undefined) query = query.where('revision', '=', filter.revision);
  return (await query.execute()).map((row) => ({
    monitor: row.monitor,
    window: row.window_start,
    windowMs: row.window_ms,
    revision: row.revision,
    metric: row.metric,
    version: row.version,
    value: row.value,
    requests: row.requests,
    labelled: row.labelled,
    at: row.at,
  }));
}

export interface StoredDrift extends DriftCell {
  readonly counts: readonly number[];
}

export async function listDrift(
  db: Db,
  filter: TimeRange & { readonly monitor: string; readonly feature?: string; readonly limit: number },
): Promise<StoredDrift[]> {
  let query = tables(db)
    .selectFrom('drift_figure')
    .selectAll()
    .where('monitor', '=', filter.monitor)
    .where('window_start', '>=', filter.from)
    .where('window_start', '<', filter.to)
    .orderBy('window_start')
    .orderBy('feature')
    .orderBy('version')
    .limit(filter.limit);
  if (filter.feature !== undefined) query = query.where('feature', '=', filter.feature);
  return (await query.execute()).map((row) => ({
    window: row.window_start,
    feature: row.feature,
    value: row.value,
    threshold: row.threshold,
    revision: row.revision,
    requests: row.requests,
    version: row.version,
    at: row.at,
    counts: JSON.parse(row.counts),
  }));
}

/** The start of the newest window that has figures of a metric. */
export async function newestWindow(db: Db, monitor: string, metric: string): Promise<number | undefined> {
  const row = await tables(db)
    .selectFrom('window_figure')
    .select((e) => e.fn.max('window_start').as('start'))
    .where('monitor', '=', monitor)
    .where('metric', '=', metric)
    .executeTakeFirst();
  return row?.start ?? undefined;
}
