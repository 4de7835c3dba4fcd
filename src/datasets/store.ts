import type { Kysely } from 'kysely';
import type { Digest } from '#core/hash';
import type { AnyTables } from '#ports/sql';
import type { BatchView, ColumnType, CommitView, ValidationReport } from './contract.ts';
import type { BatchStatus, Segment } from './model.ts';

interface Tables {
  readonly dataset_schema: { dataset: string; columns: string };
  readonly dataset_batch: {
    dataset: string;
    batch: string;
    seq: number;
    content: string;
    status: string;
    commit_number: number | null;
    held: string | null;
    report: string;
    received_at: number;
  };
  readonly dataset_commit: {
    dataset: string;
    commit_number: number;
    batch: string;
    segment: string;
    row_count: number;
    min_at: number;
    max_at: number;
    min_known_at: number;
    max_known_at: number;
    committed_at: number;
  };
}

/** A batch as it is stored: what was sent (`content`), what came of it, and the rows that are held, if any. */
export interface StoredBatch extends BatchView {
  readonly content: Digest;
  readonly held: Digest | null;
}

export async function findSchema(db: Db, dataset: string): Promise<Record<string, ColumnType> | undefined> {
  const row = await tables(db)
    .selectFrom('dataset_schema')
    .selectAll()
    .where('dataset', '=', dataset)
    .executeTakeFirst();
  return row && JSON.parse(row.columns);
}

export async function insertSchema(db: Db, dataset: string, columns: Record<string, ColumnType>): Promise<void> {
  await tables(db)
    .insertInto('dataset_schema')
    .values({ dataset, columns: JSON.stringify(columns) })
    .onConflict((c) => c.column('dataset').doNothing())
    .execute();
}

export async function findBatch(db: Db, dataset: string, batch: string): Promise<StoredBatch | undefined> {
  const row = await tables(db)
    .selectFrom('dataset_batch')
    .selectAll()
    .where('dataset', '=', dataset)
    .where('batch', '=', batch)
    .executeTakeFirst();
  return row && batchOf(row);
}

export async function listBatches(
  db: Db,
  dataset: string,
  filter: { readonly held?: boolean | undefined; readonly limit: number },
): Promise<StoredBatch[]> {
  let query = tables(db)
    .selectFrom('dataset_batch')
    .selectAll()
    .where('dataset', '=', dataset)
    .orderBy('seq', 'desc')
    .limit(filter.limit);
  if (filter.held !== undefined) query = query.where('held', filter.held ? 'is not' : 'is', null);
  return (await query.execute()).map(batchOf);
}

export interface BatchDraft {
  readonly dataset: string;
  readonly batch: string;
  readonly content: Digest;
  readonly status: BatchStatus;
  readonly commit: number | null;
  readonly held: Digest | null;
  readonly report: ValidationReport;
  readonly receivedAt: number;
}

export async function insertBatch(db: Db, draft: BatchDraft): Promise<void> {
  const last = await tables(db)
    .selectFrom('dataset_batch')
    .select((e) => e.fn.max('seq').as('seq'))
    .where('dataset', '=', draft.dataset)
    .executeTakeFirst();
  await tables(db)
    .insertInto('dataset_batch')
    .values({
      dataset: draft.dataset,
      batch: draft.batch,
      seq: Number(last?.seq ?? 0) + 1,
      content: draft.content,
      status: draft.status,
      commit_number: draft.commit,
      held: draft.held,
      report: JSON.stringify(draft.report),
      received_at: draft.receivedAt,
    })
    .execute();
}

export async function updateBatch(
  db: Db,
  key: { readonly dataset: string; readonly batch: string },
  change: Pick<BatchDraft, 'status' | 'commit' | 'held' | 'report'>,
): Promise<void> {
  await tables(db)
    .updateTable('dataset_batch')
    .set({
      status: change.status,
      commit_number: change.commit,
      held: change.held,
      report: JSON.stringify(change.report),
    })
    .where('dataset', '=', key.dataset)
    .where('batch', '=', key.batch)
    .execute();
}

export async function lastCommit(db: Db, dataset: string): Promise<number> {
  const row = await tables(db)
    .selectFrom('dataset_commit')
    .select((e) => e.fn.max('commit_number').as('commit_number'))
    .where('dataset', '=', dataset)
    .executeTakeFirst();
  return Number(row?.commit_number ?? 0);
}

export async function insertCommit(db: Db, commit: CommitView): Promise<void> {
  await tables(db)
    .insertInto('dataset_commit')
    .values({
      dataset: commit.dataset,
      commit_number: commit.commit,
      batch: commit.batch,
      segment: commit.segment.digest,
      row_count: commit.segment.rows,
      min_at: commit.segment.minAt,
      max_at: commit.segment.maxAt,
      min_known_at: commit.segment.minKnownAt,
      max_known_at: commit.segment.maxKnownAt,
      committed_at: commit.committedAt,
    })
    .execute();
}

/** Segments of the commits 1 to `commit`, in order. */
export async function segmentsUpTo(db: Db, dataset: string, commit: number): Promise<Segment[]> {
  const rows = await tables(db)
    .selectFrom('dataset_commit')
    .selectAll()
    .where('dataset', '=', dataset)
    .where('commit_number', '<=', commit)
    .orderBy('commit_number')
    .execute();
  return rows.map((row) => ({
    digest: row.segment as Digest,
    rows: row.row_count,
    minAt: row.min_at,
    maxAt: row.max_at,
    minKnownAt: row.min_known_at,
    maxKnownAt: row.max_known_at,
  }));
}

/** Segments that one batch has brought: of its commit and of each release. */
export async function segmentsOfBatch(db: Db, dataset: string, batch: string): Promise<Digest[]> {
  const rows = await tables(db)
    .selectFrom('dataset_commit')
    .select('segment')
    .where('dataset', '=', dataset)
    .where('batch', '=', batch)
    .orderBy('commit_number')
    .execute();
  return rows.map((row) => row.segment as Digest);
}

type Db = Kysely<AnyTables>;

function tables(db: Db): Kysely<Tables> {
  return db;
}

function batchOf(row: Tables['dataset_batch']): StoredBatch {
  return {
    dataset: row.dataset,
    batch: row.batch,
    status: row.status as BatchStatus,
    commit: row.commit_number,
    report: JSON.parse(row.report),
    receivedAt: row.received_at,
    content: row.content as Digest,
    held: row.held as Digest | null,
  };
}
