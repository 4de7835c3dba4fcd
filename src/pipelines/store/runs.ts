import type { Digest } from '#core/hash';
import { statement } from '#platform/db';
import type { Artifact, RunView } from '../contract.ts';
import { isFinalRun, type RunStatus } from '../model.ts';
import type { PipelineSpec } from '../spec.ts';
import { type Db, storableText, type Tables, tables } from './tables.ts';

/** A run as it is stored: its view, and the code bundle that it was pinned to. */
export interface StoredRun extends RunView {
  readonly code: Digest | null;
  /** The text that it shares with the runs that are counted together with it. */
  readonly lane: string | null;
  /** When it was let in; null while it waits for others of its pipeline or key to end. */
  readonly admittedAt: number | null;
  readonly deadlineAt: number | null;
  /** The partition of its pipeline that it does. */
  readonly partition: string | null;
}

export async function savePipeline(db: Db, name: string, generation: number, spec: PipelineSpec): Promise<void> {
  const row = { generation, spec: JSON.stringify(spec) };
  await tables(db)
    .insertInto('pipeline')
    .values({ name, ...row })
    .onConflict((c) => c.column('name').doUpdateSet(row))
    .execute();
  // A pipeline that was deleted and is declared again counts from one again.
  await tables(db)
    .insertInto('pipeline_generation')
    .values({ name, ...row })
    .onConflict((c) => c.columns(['name', 'generation']).doUpdateSet({ spec: row.spec }))
    .execute();
}

export async function removePipeline(db: Db, name: string): Promise<void> {
  await tables(db).deleteFrom('pipeline').where('name', '=', name).execute();
}

export async function findPipeline(
  db: Db,
  name: string,
): Promise<{ readonly generation: number; readonly spec: PipelineSpec } | undefined> {
  const row = await tables(db).selectFrom('pipeline').selectAll().where('name', '=', name).executeTakeFirst();
  return row && { generation: row.generation, spec: JSON.parse(row.spec) };
}

export async function insertRun(db: Db, run: StoredRun): Promise<void> {
  await tables(db)
    .insertInto('pipeline_run')
    .values({
      id: run.run,
      pipeline: run.pipeline,
      generation: run.generation,
      project: run.project,
      status: run.status,
      params: JSON.stringify(run.params),
      seed: run.seed,
      code: run.code,
      cause: JSON.stringify(run.cause),
      created_at: run.createdAt,
      started_at: run.startedAt,
      finished_at: run.finishedAt,
      reason: run.reason,
      outputs: JSON.stringify(run.outputs),
      inputs: JSON.stringify(run.inputs),
      lane: run.lane,
      priority: run.priority,
      admitted_at: run.admittedAt,
      paused_at: run.pausedAt,
      deadline_at: run.deadlineAt,
      origin: run.origin,
      partition_key: run.partition,
      verifies: run.verifies,
      late_at: run.lateAt,
      late_since: null,
      parent_run: run.cause.within?.run ?? null,
      parent_step: run.cause.within?.step ?? null,
    })
    .execute();
}

export async function findRun(db: Db, run: string): Promise<StoredRun | undefined> {
  const [row] = await selectRun(db, { run });
  return row && runOf(row);
}

const selectRun = statement(['run'], (db, { run }: Pick<StoredRun, 'run'>) =>
  tables(db).selectFrom('pipeline_run').selectAll().where('id', '=', run),
);

export interface RunFilter {
  readonly pipeline?: string | undefined;
  readonly status?: RunStatus | undefined;
  /** Those that are steps of this run. */
  readonly within?: string | undefined;
  readonly cause?: RunView['cause']['kind'] | undefined;
  /** Created at or after `from`, and before `to`. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Runs older than this one: the last of the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Newest first. Identifiers of runs that were started under a key do not sort by time, so the page goes by both. */
export async function listRuns(db: Db, filter: RunFilter): Promise<StoredRun[]> {
  let query = tables(db)
    .selectFrom('pipeline_run')
    .selectAll()
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(filter.limit);
  if (filter.pipeline !== undefined) query = query.where('pipeline', '=', filter.pipeline);
  if (filter.status !== undefined) query = query.where('status', '=', filter.status);
  if (filter.within !== undefined) query = query.where('parent_run', '=', filter.within);
  // Within a text of JSON quotes are escaped, so that no name of anybody can look like this.
  if (filter.cause !== undefined) query = query.where('cause', 'like', `%"kind":"${filter.cause}"%`);
  if (filter.from !== undefined) query = query.where('created_at', '>=', filter.from);
  if (filter.to !== undefined) query = query.where('created_at', '<', filter.to);
  const { after } = filter;
  if (after !== undefined) {
    query = query.where((e) => {
      const last = e.selectFrom('pipeline_run as last').select('last.created_at').where('last.id', '=', after);
      return e.or([e('created_at', '<', last), e.and([e('created_at', '=', last), e('id', '<', after)])]);
    });
  }
  return (await query.execute()).map(runOf);
}

export interface RunChange {
  readonly status: RunStatus;
  readonly now: number;
  readonly reason?: string | null;
  readonly outputs?: Readonly<Record<string, Artifact>>;
}

/** Moves a run to a status. The time of its first lease and of its end are kept with it. */
export async function updateRun(db: Db, run: string, { status, now, reason, outputs }: RunChange): Promise<void> {
  await tables(db)
    .updateTable('pipeline_run')
    .set({
      status,
      ...(status === 'running' ? { started_at: now } : {}),
      ...(isFinalRun(status) ? { finished_at: now } : {}),
      ...(reason === undefined ? {} : { reason: reason && storableText(reason) }),
      ...(outputs === undefined ? {} : { outputs: JSON.stringify(outputs) }),
    })
    .where('id', '=', run)
    .execute();
}

export function runOf(row: Tables['pipeline_run']): StoredRun {
  return {
    run: row.id,
    pipeline: row.pipeline,
    generation: row.generation,
    project: row.project,
    status: row.status as RunStatus,
    params: JSON.parse(row.params),
    seed: row.seed,
    code: row.code as Digest | null,
    cause: JSON.parse(row.cause),
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    reason: row.reason,
    outputs: JSON.parse(row.outputs),
    inputs: JSON.parse(row.inputs),
    lane: row.lane,
    priority: row.priority,
    admittedAt: row.admitted_at,
    pausedAt: row.paused_at,
    deadlineAt: row.deadline_at,
    origin: row.origin,
    partition: row.partition_key,
    verifies: row.verifies,
    lateAt: row.late_at,
    lateSince: row.late_since,
  };
}

export const ACTIVE: readonly string[] = ['queued', 'running', 'cancelling'];

/** Runs of a pipeline that were let in and have not ended; of one lane, if it is told. */
export async function activeRuns(db: Db, pipeline: string, lane?: string): Promise<number> {
  let query = tables(db)
    .selectFrom('pipeline_run')
    .select((e) => e.fn.countAll<number>().as('active'))
    .where('pipeline', '=', pipeline)
    .where('status', 'in', ACTIVE)
    .where('admitted_at', 'is not', null);
  if (lane !== undefined) query = query.where('lane', '=', lane);
  return Number((await query.executeTakeFirst())?.active ?? 0);
}

/** Runs of a pipeline that were not let in yet, by priority, longest waiting first. */
export async function waitingRuns(db: Db, pipeline: string, limit: number): Promise<StoredRun[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_run')
    .selectAll()
    .where('pipeline', '=', pipeline)
    .where('status', '=', 'queued')
    .where('admitted_at', 'is', null)
    .orderBy('priority', 'desc')
    .orderBy('created_at')
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(runOf);
}

/** Pipelines with runs that were not let in yet. */
export async function crowdedPipelines(db: Db): Promise<string[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_run')
    .select('pipeline')
    .distinct()
    .where('status', '=', 'queued')
    .where('admitted_at', 'is', null)
    .execute();
  return rows.map(({ pipeline }) => pipeline);
}

export async function admitRun(
  db: Db,
  run: string,
  times: { readonly at: number; readonly deadlineAt: number | null; readonly lateAt: number | null },
): Promise<void> {
  await tables(db)
    .updateTable('pipeline_run')
    .set({ admitted_at: times.at, deadline_at: times.deadlineAt, late_at: times.lateAt })
    .where('id', '=', run)
    .execute();
}

export async function pauseRun(db: Db, run: string, pausedAt: number | null): Promise<void> {
  await tables(db).updateTable('pipeline_run').set({ paused_at: pausedAt }).where('id', '=', run).execute();
}

/** Runs that go on for longer than they may. */
export async function overdueRuns(db: Db, now: number, limit: number): Promise<string[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_run')
    .select('id')
    .where('status', 'in', ['queued', 'running'])
    .where('deadline_at', '<=', now)
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}
