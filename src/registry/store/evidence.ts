import type { Digest } from '#core/hash';
import type { Evidence } from '../shapes.ts';
import { type Db, tables, type VersionKey } from './tables.ts';

/** Oldest first. */
export async function listEvidence(db: Db, key: VersionKey, kind?: string): Promise<Evidence[]> {
  let query = tables(db)
    .selectFrom('registry_evidence')
    .selectAll()
    .where('model', '=', key.model)
    .where('version', '=', key.version)
    .orderBy('number');
  if (kind !== undefined) query = query.where('kind', '=', kind);
  return (await query.execute()).map((row) => ({
    id: row.id,
    kind: row.kind,
    passed: row.passed === null ? null : row.passed === 1,
    data: JSON.parse(row.data),
    digest: row.digest as Digest,
    by: row.added_by,
    at: row.added_at,
  }));
}

/** How much evidence a version has: the numbers given so far, and the bytes of their data. */
export async function evidenceSize(
  db: Db,
  key: VersionKey,
): Promise<{ readonly count: number; readonly bytes: number }> {
  const row = await tables(db)
    .selectFrom('registry_evidence')
    .select((e) => [e.fn.countAll().as('count'), e.fn.sum('bytes').as('bytes')])
    .where('model', '=', key.model)
    .where('version', '=', key.version)
    .executeTakeFirstOrThrow();
  return { count: Number(row.count), bytes: Number(row.bytes ?? 0) };
}

/** Appends evidence as number `number` of its version. `text` is its data as it is stored and hashed. */
export async function insertEvidence(
  db: Db,
  key: VersionKey,
  row: { readonly number: number; readonly text: string; readonly bytes: number; readonly evidence: Evidence },
): Promise<void> {
  const { id, kind, passed, digest, by, at } = row.evidence;
  await tables(db)
    .insertInto('registry_evidence')
    .values({
      ...key,
      number: row.number,
      id,
      kind,
      passed: passed === null ? null : Number(passed),
      data: row.text,
      bytes: row.bytes,
      digest,
      added_by: by,
      added_at: at,
    })
    .execute();
}
