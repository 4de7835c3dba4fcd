import type { Digest } from '#core/hash';
import type { Artifact, RunView } from '../contract.ts';
import { isFinalRun, type RunStatus } from '../model.ts';
import type { PipelineSpec } from '../spec.ts';
import { type Db, storableText, type Tables, tables } from './tables.ts';

/** A run as it is stored: its view, and the code bundle that it was pinned to. */
export interface StoredRun extends RunView {
  readonly code: Digest | null;
}

export async function savePipeline(db: Db, name: string, generation: number, spec: PipelineSpec): Promise<void> {
  const row = { generation, spec: JSON.stringify(spec) };
  await tables(db)
    .insertInto('pipeline')
    .values({ name, ...row })
    .onConflict((c) => c.column('name').doUpdateSet(row))
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
    })
    .execute();
}

export async function findRun(db: Db, run: string): Promise<StoredRun | undefined> {
  const row = await tables(db).selectFrom('pipeline_run').selectAll().where('id', '=', run).executeTakeFirst();
  return row && runOf(row);
}

export interface RunFilter {
  readonly pipeline?: string | undefined;
  readonly status?: RunStatus | undefined;
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

function runOf(row: Tables['pipeline_run']): StoredRun {
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
  };
}
