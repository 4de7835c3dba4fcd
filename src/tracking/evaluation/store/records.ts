import { padded } from '../../store/bulk.ts';
import { type Db, tables } from '../../store/tables.ts';
import type { EvaluationRecord, RecordContent } from '../model.ts';
import type { EvaluationRecordTable } from './tables.ts';

/** The records with these inputs, by the digest of the inputs. */
export async function recordsByDigest(
  db: Db,
  dataset: string,
  digests: readonly string[],
): Promise<Map<string, EvaluationRecordTable>> {
  const found = new Map<string, EvaluationRecordTable>();
  for (let at = 0; at < digests.length; at += 1_000) {
    const rows = await tables(db)
      .selectFrom('tracking_evaluation_record')
      .selectAll()
      .where('dataset', '=', dataset)
      .where('digest', 'in', padded(digests.slice(at, at + 1_000)))
      .execute();
    for (const row of rows) found.set(row.digest, row);
  }
  return found;
}

export async function insertRecord(db: Db, row: EvaluationRecordTable): Promise<void> {
  await tables(db).insertInto('tracking_evaluation_record').values(row).execute();
}

export async function updateRecord(
  db: Db,
  id: string,
  change: Pick<EvaluationRecordTable, 'content' | 'bytes' | 'updated_by' | 'updated_at'>,
): Promise<void> {
  await tables(db).updateTable('tracking_evaluation_record').set(change).where('id', '=', id).execute();
}

/** How many of the records there were. */
export async function dropRecords(db: Db, dataset: string, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0;
  const { numDeletedRows } = await tables(db)
    .deleteFrom('tracking_evaluation_record')
    .where('dataset', '=', dataset)
    .where('id', 'in', padded(ids))
    .executeTakeFirst();
  return Number(numDeletedRows);
}

/** Records after a position, in the order in which they were added, as many as fit; and whether there are more. */
export async function recordsAfter(
  db: Db,
  dataset: string,
  page: { readonly after: number; readonly limit: number; readonly bytesMax: number },
): Promise<{ readonly records: EvaluationRecord[]; readonly last: number | undefined; readonly more: boolean }> {
  const sizes = await tables(db)
    .selectFrom('tracking_evaluation_record')
    .select(['position', 'bytes'])
    .where('dataset', '=', dataset)
    .where('position', '>', page.after)
    .orderBy('position')
    .limit(page.limit + 1)
    .execute();
  let bytes = 0;
  const taken = sizes.slice(0, page.limit).filter((row, i) => {
    bytes += Number(row.bytes);
    return i === 0 || bytes <= page.bytesMax;
  });
  const last = taken.at(-1);
  if (!last) return { records: [], last: undefined, more: false };
  const rows = await tables(db)
    .selectFrom('tracking_evaluation_record')
    .selectAll()
    .where('dataset', '=', dataset)
    .where('position', '>', page.after)
    .where('position', '<=', last.position)
    .orderBy('position')
    .execute();
  return { records: rows.map(recordOf), last: Number(last.position), more: sizes.length > taken.length };
}

export function contentOf(row: Pick<EvaluationRecordTable, 'content'>): RecordContent {
  return JSON.parse(row.content) as RecordContent;
}

function recordOf(row: EvaluationRecordTable): EvaluationRecord {
  return {
    ...contentOf(row),
    id: row.id,
    dataset: row.dataset,
    createdBy: row.created_by ?? undefined,
    createdAt: Number(row.created_at),
    updatedBy: row.updated_by ?? undefined,
    updatedAt: Number(row.updated_at),
  };
}
