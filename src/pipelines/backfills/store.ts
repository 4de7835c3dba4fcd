import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';
import type { RunStatus } from '../model.ts';
import type { BackfillView, PartitionView } from './contract.ts';

interface Tables {
  readonly pipeline_run: {
    id: string;
    pipeline: string;
    status: string;
    partition_key: string | null;
    created_at: number;
  };
  readonly backfill: {
    id: string;
    pipeline: string;
    status: string;
    concurrency: number;
    params: string;
    created_at: number;
    created_by: string;
    finished_at: number | null;
  };
  readonly backfill_partition: {
    backfill: string;
    position: number;
    partition_key: string;
    run: string | null;
    reason: string | null;
  };
}

type Db = Kysely<AnyTables>;
const tables = (db: Db): Kysely<Tables> => db;

export type StoredBackfill = Omit<BackfillView, 'progress'>;
/** Rows in one statement, far below what either dialect binds. */
const ROWS = 500;
const ACTIVE: readonly string[] = ['queued', 'running', 'cancelling'];

/** The newest run of each partition of a pipeline that has one. */
export async function newestRuns(db: Db, pipeline: string): Promise<Map<string, Omit<PartitionView, 'partition'>>> {
  const rows = await tables(db)
    .selectFrom('pipeline_run as r')
    .select(['r.id', 'r.status', 'r.partition_key'])
    .where('r.pipeline', '=', pipeline)
    .where('r.partition_key', 'is not', null)
    .where((e) =>
      e.not(
        e.exists(
          e
            .selectFrom('pipeline_run as later')
            .select('later.id')
            .whereRef('later.pipeline', '=', 'r.pipeline')
            .whereRef('later.partition_key', '=', 'r.partition_key')
            .where((l) =>
              l.or([
                l('later.created_at', '>', l.ref('r.created_at')),
                l.and([l('later.created_at', '=', l.ref('r.created_at')), l('later.id', '>', l.ref('r.id'))]),
              ]),
            ),
        ),
      ),
    )
    .execute();
  return new Map(rows.map((row) => [row.partition_key ?? '', { status: row.status as RunStatus, run: row.id }]));
}

export async function insertBackfill(db: Db, backfill: StoredBackfill, partitions: readonly string[]): Promise<void> {
  await tables(db)
    .insertInto('backfill')
    .values({
      id: backfill.backfill,
      pipeline: backfill.pipeline,
      status: backfill.status,
      concurrency: backfill.concurrency,
      params: JSON.stringify(backfill.params),
      created_at: backfill.createdAt,
      created_by: backfill.createdBy,
      finished_at: backfill.finishedAt,
    })
    .execute();
  for (let from = 0; from < partitions.length; from += ROWS) {
    const rows = partitions.slice(from, from + ROWS).map((partition, i) => ({
      ...{ backfill: backfill.backfill, position: from + i, partition_key: partition, run: null, reason: null },
    }));
    await tables(db).insertInto('backfill_partition').values(rows).execute();
  }
}

export async function findBackfill(db: Db, id: string): Promise<StoredBackfill | undefined> {
  const row = await tables(db).selectFrom('backfill').selectAll().where('id', '=', id).executeTakeFirst();
  return row && backfillOf(row);
}

export async function listBackfills(
  db: Db,
  filter: { readonly pipeline?: string | undefined; readonly after?: string | undefined; readonly limit: number },
): Promise<StoredBackfill[]> {
  // Identifiers sort by time.
  let query = tables(db).selectFrom('backfill').selectAll().orderBy('id', 'desc').limit(filter.limit);
  if (filter.pipeline !== undefined) query = query.where('pipeline', '=', filter.pipeline);
  if (filter.after !== undefined) query = query.where('id', '<', filter.after);
  return (await query.execute()).map(backfillOf);
}

export async function runningBackfills(db: Db): Promise<string[]> {
  const rows = await tables(db).selectFrom('backfill').select('id').where('status', '=', 'running').execute();
  return rows.map(({ id }) => id);
}

export async function setBackfillStatus(
  db: Db,
  id: string,
  { status, finishedAt }: { readonly status: BackfillView['status']; readonly finishedAt: number | null },
): Promise<void> {
  await tables(db).updateTable('backfill').set({ status, finished_at: finishedAt }).where('id', '=', id).execute();
}

export interface BackfillPartition {
  readonly position: number;
  readonly partition: string;
  readonly run: string | null;
  readonly status: RunStatus | null;
  /** Why it could not be started. */
  readonly reason: string | null;
}

export async function partitionsOf(db: Db, backfill: string): Promise<BackfillPartition[]> {
  const rows = await tables(db)
    .selectFrom('backfill_partition as p')
    .leftJoin('pipeline_run as r', 'r.id', 'p.run')
    .select(['p.position', 'p.partition_key', 'p.run', 'p.reason', 'r.status'])
    .where('p.backfill', '=', backfill)
    .orderBy('p.position')
    .execute();
  return rows.map((row) => ({
    position: row.position,
    partition: row.partition_key,
    run: row.run,
    status: row.status as RunStatus | null,
    reason: row.reason,
  }));
}

/** Runs of a backfill that have not ended. */
export async function activeOf(db: Db, backfill: string): Promise<string[]> {
  const rows = await tables(db)
    .selectFrom('backfill_partition as p')
    .innerJoin('pipeline_run as r', 'r.id', 'p.run')
    .select('r.id')
    .where('p.backfill', '=', backfill)
    .where('r.status', 'in', ACTIVE)
    .execute();
  return rows.map(({ id }) => id);
}

/** Partitions that were not started, in order. */
export async function waitingOf(
  db: Db,
  backfill: string,
  limit: number,
): Promise<{ readonly position: number; readonly partition: string }[]> {
  const rows = await tables(db)
    .selectFrom('backfill_partition')
    .select(['position', 'partition_key'])
    .where('backfill', '=', backfill)
    .where('run', 'is', null)
    .where('reason', 'is', null)
    .orderBy('position')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ position: row.position, partition: row.partition_key }));
}

export async function setPartitionRun(
  db: Db,
  of: { readonly backfill: string; readonly position: number },
  told: { readonly run: string | null; readonly reason: string | null },
): Promise<void> {
  await tables(db)
    .updateTable('backfill_partition')
    .set(told)
    .where('backfill', '=', of.backfill)
    .where('position', '=', of.position)
    .execute();
}

function backfillOf(row: Tables['backfill']): StoredBackfill {
  return {
    backfill: row.id,
    pipeline: row.pipeline,
    status: row.status as BackfillView['status'],
    concurrency: row.concurrency,
    params: JSON.parse(row.params),
    createdAt: row.created_at,
    createdBy: row.created_by,
    finishedAt: row.finished_at,
  };
}
