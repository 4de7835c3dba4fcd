import type { Cause } from '#core/cause';
import type { FinalStatus, RunStatus } from '../contract.ts';
import type { Run } from '../model.ts';
import { keyedOf, latestOf } from './logged.ts';
import { type Db, type RunTable, tables } from './tables.ts';

export interface NewRun {
  readonly id: string;
  readonly experiment: string;
  readonly name: string;
  readonly startedBy: string;
  readonly startedAt: number;
  readonly source: { readonly run: string; readonly step: string } | undefined;
  readonly cause: Cause;
}

export async function insertRun(db: Db, run: NewRun): Promise<void> {
  await tables(db)
    .insertInto('tracking_run')
    .values({
      id: run.id,
      experiment: run.experiment,
      name: run.name,
      status: 'running',
      started_by: run.startedBy,
      started_at: run.startedAt,
      ended_at: null,
      source_run: run.source?.run ?? null,
      source_step: run.source?.step ?? null,
      cause: JSON.stringify(run.cause),
      deleted_at: null,
      deleted_with_experiment: 0,
    })
    .execute();
}

export interface RunFilter {
  readonly experiment?: string | undefined;
  readonly status?: RunStatus | undefined;
  readonly sourceRun?: string | undefined;
  readonly lifecycle: 'active' | 'deleted';
  /** Goes on after this run, in the order of the list. */
  readonly after?: { readonly startedAt: number; readonly id: string } | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function searchRuns(db: Db, filter: RunFilter): Promise<Run[]> {
  let query = tables(db)
    .selectFrom('tracking_run')
    .selectAll()
    .where('deleted_at', filter.lifecycle === 'active' ? 'is' : 'is not', null)
    .orderBy('started_at', 'desc')
    .orderBy('id', 'desc')
    .limit(filter.limit);
  if (filter.experiment !== undefined) query = query.where('experiment', '=', filter.experiment);
  if (filter.status !== undefined) query = query.where('status', '=', filter.status);
  if (filter.sourceRun !== undefined) query = query.where('source_run', '=', filter.sourceRun);
  const { after } = filter;
  if (after !== undefined) {
    query = query.where((e) => e(e.refTuple('started_at', 'id'), '<', e.tuple(after.startedAt, after.id)));
  }
  return assemble(db, await query.execute());
}

export async function findRun(db: Db, id: string): Promise<Run | undefined> {
  const row = await tables(db).selectFrom('tracking_run').selectAll().where('id', '=', id).executeTakeFirst();
  return row && (await assemble(db, [row]))[0];
}

/** What decides whether a run may be written to, without what was logged to it. */
export async function findLifecycle(
  db: Db,
  id: string,
): Promise<{ readonly status: RunStatus; readonly lifecycle: 'active' | 'deleted' } | undefined> {
  const row = await tables(db)
    .selectFrom('tracking_run')
    .select(['status', 'deleted_at'])
    .where('id', '=', id)
    .executeTakeFirst();
  return row && { status: row.status as RunStatus, lifecycle: row.deleted_at === null ? 'active' : 'deleted' };
}

export async function endRun(db: Db, id: string, status: FinalStatus, endedAt: number): Promise<void> {
  await tables(db).updateTable('tracking_run').set({ status, ended_at: endedAt }).where('id', '=', id).execute();
}

/** Marks a run as deleted at a time, or as active with null. */
export async function setRunDeleted(db: Db, id: string, at: number | null): Promise<void> {
  await tables(db)
    .updateTable('tracking_run')
    .set({ deleted_at: at, deleted_with_experiment: 0 })
    .where('id', '=', id)
    .execute();
}

async function assemble(db: Db, rows: readonly RunTable[]): Promise<Run[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  const experiments = await tables(db)
    .selectFrom('tracking_experiment')
    .select(['id', 'name'])
    .where('id', 'in', [...new Set(rows.map((row) => row.experiment))])
    .execute();
  const names = new Map(experiments.map((row) => [row.id, row.name]));
  const params = await keyedOf(db, 'tracking_param', ids);
  const tags = await keyedOf(db, 'tracking_tag', ids);
  const metrics = await latestOf(db, ids);
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    experiment: { id: row.experiment, name: names.get(row.experiment) ?? row.experiment },
    status: row.status as RunStatus,
    lifecycle: row.deleted_at === null ? 'active' : 'deleted',
    startedBy: row.started_by,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    source: row.source_run === null ? null : { run: row.source_run, step: row.source_step ?? '' },
    cause: JSON.parse(row.cause),
    params: params.get(row.id) ?? {},
    tags: tags.get(row.id) ?? {},
    metrics: metrics.get(row.id) ?? {},
  }));
}
