import type { Digest } from '#core/hash';
import type { Db } from '../../store/tables.ts';
import type { ArtifactOwner } from '../owner.ts';
import { removeFiles } from './files.ts';
import { files } from './tables.ts';

export interface Upload {
  readonly id: string;
  readonly owner: ArtifactOwner;
  readonly path: string;
  readonly parts: number;
  readonly keyDigest: Digest;
  readonly completedAt: number | null;
}

export interface UploadPart {
  readonly part: number;
  readonly digest: Digest;
  readonly bytes: number;
}

export async function insertUpload(
  db: Db,
  upload: Omit<Upload, 'completedAt'> & { readonly createdAt: number },
): Promise<void> {
  const { id, owner, path, parts, keyDigest, createdAt } = upload;
  await files(db)
    .insertInto('tracking_upload')
    .values({
      id,
      owner_kind: owner.kind,
      owner: owner.id,
      path,
      parts,
      key_digest: keyDigest,
      created_at: createdAt,
      completed_at: null,
    })
    .execute();
}

export async function findUpload(db: Db, id: string): Promise<Upload | undefined> {
  const row = await files(db).selectFrom('tracking_upload').selectAll().where('id', '=', id).executeTakeFirst();
  return (
    row && {
      id: row.id,
      owner: { kind: row.owner_kind as ArtifactOwner['kind'], id: row.owner },
      path: row.path,
      parts: row.parts,
      keyDigest: row.key_digest as Digest,
      completedAt: row.completed_at,
    }
  );
}

/** A part that is sent again replaces the one before. */
export async function putPart(db: Db, upload: string, { part, digest, bytes }: UploadPart): Promise<void> {
  await files(db)
    .insertInto('tracking_upload_part')
    .values({ upload, part, digest, bytes })
    .onConflict((c) => c.columns(['upload', 'part']).doUpdateSet({ digest, bytes }))
    .execute();
}

export async function partsOf(db: Db, upload: string): Promise<UploadPart[]> {
  const rows = await files(db)
    .selectFrom('tracking_upload_part')
    .selectAll()
    .where('upload', '=', upload)
    .orderBy('part')
    .execute();
  return rows.map((row) => ({ part: row.part, digest: row.digest as Digest, bytes: row.bytes }));
}

/** Forgets the parts, and keeps the upload so that completing it again is known to be done. */
export async function completeUpload(db: Db, id: string, at: number): Promise<void> {
  await files(db).deleteFrom('tracking_upload_part').where('upload', '=', id).execute();
  await files(db).updateTable('tracking_upload').set({ completed_at: at }).where('id', '=', id).execute();
}

export async function removeUploads(db: Db, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await files(db).deleteFrom('tracking_upload_part').where('upload', 'in', ids).execute();
  await files(db).deleteFrom('tracking_upload').where('id', 'in', ids).execute();
}

/** Removes the files of an owner, and the uploads that were begun for it. */
export async function removeEverythingOf(db: Db, owner: ArtifactOwner): Promise<void> {
  await removeFiles(db, owner, '');
  const uploads = await files(db)
    .selectFrom('tracking_upload')
    .select('id')
    .where('owner_kind', '=', owner.kind)
    .where('owner', '=', owner.id)
    .execute();
  await removeUploads(
    db,
    uploads.map(({ id }) => id),
  );
}

/** Uploads that were begun before a time, as far as `limit`. */
export async function uploadsBefore(db: Db, before: number, limit: number): Promise<string[]> {
  const rows = await files(db)
    .selectFrom('tracking_upload')
    .select('id')
    .where('created_at', '<', before)
    .orderBy('created_at')
    .limit(limit)
    .execute();
  return rows.map((row) => row.id);
}
