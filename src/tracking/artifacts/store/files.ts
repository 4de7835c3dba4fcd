import type { Digest } from '#core/hash';
import type { Artifact } from '../../contract.ts';
import { foldersOf } from '../../model.ts';
import type { Db } from '../../store/tables.ts';
import type { ArtifactOwner } from '../owner.ts';
import { files } from './tables.ts';

export async function findFile(db: Db, owner: ArtifactOwner, path: string): Promise<Artifact | undefined> {
  const row = await ofOwner(db, owner).selectAll().where('path', '=', path).executeTakeFirst();
  return row && artifactOf(row);
}

/** The files of an owner, or those below `folder`, by path. */
export async function listFiles(db: Db, owner: ArtifactOwner, folder?: string): Promise<Artifact[]> {
  let query = ofOwner(db, owner).selectAll().orderBy('path');
  if (folder !== undefined) query = query.where('path', '>=', `${folder}/`).where('path', '<', endOf(folder));
  return (await query.execute()).map(artifactOf);
}

/** A file that stands where `path` needs a folder, or one that lies below `path` as if that were a folder. */
export async function conflictingPath(db: Db, owner: ArtifactOwner, path: string): Promise<string | undefined> {
  const folders = foldersOf(path);
  const above =
    folders.length > 0
      ? await ofOwner(db, owner).select('path').where('path', 'in', folders).executeTakeFirst()
      : undefined;
  if (above) return above.path;
  const below = await ofOwner(db, owner)
    .select('path')
    .where('path', '>=', `${path}/`)
    .where('path', '<', endOf(path))
    .limit(1)
    .executeTakeFirst();
  return below?.path;
}

export async function countFiles(db: Db, owner: ArtifactOwner): Promise<number> {
  const row = await ofOwner(db, owner)
    .select((e) => e.fn.countAll().as('count'))
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** How many files an owner has, and their bytes. */
export async function totalOf(db: Db, owner: ArtifactOwner): Promise<{ files: number; bytes: number }> {
  const row = await ofOwner(db, owner)
    .select((e) => [e.fn.countAll().as('files'), e.fn.sum('bytes').as('bytes')])
    .executeTakeFirstOrThrow();
  return { files: Number(row.files), bytes: Number(row.bytes ?? 0) };
}

/** The traces of an experiment that have files. */
export async function tracesWithFiles(db: Db, experiment: string): Promise<ArtifactOwner[]> {
  const rows = await files(db)
    .selectFrom('tracking_file')
    .select('owner')
    .distinct()
    .where('owner_kind', '=', 'trace')
    .where('owner', 'like', `${experiment}/%`)
    .execute();
  return rows.map(({ owner }) => ({ kind: 'trace', id: owner }));
}

/** Stores a file in place of the one of the same path, if any. */
export async function putFile(db: Db, owner: ArtifactOwner, artifact: Artifact): Promise<void> {
  const { path, digest, bytes, createdAt } = artifact;
  await files(db)
    .insertInto('tracking_file')
    .values({ owner_kind: owner.kind, owner: owner.id, path, digest, bytes, created_at: createdAt })
    .onConflict((c) => c.columns(['owner_kind', 'owner', 'path']).doUpdateSet({ digest, bytes, created_at: createdAt }))
    .execute();
}

/** Removes one file, or everything below a folder, or with an empty path everything. Tells how many files went. */
export async function removeFiles(db: Db, owner: ArtifactOwner, path: string): Promise<number> {
  let query = files(db).deleteFrom('tracking_file').where('owner_kind', '=', owner.kind).where('owner', '=', owner.id);
  if (path !== '') {
    query = query.where((e) =>
      e.or([e('path', '=', path), e.and([e('path', '>=', `${path}/`), e('path', '<', endOf(path))])]),
    );
  }
  return Number((await query.executeTakeFirst()).numDeletedRows);
}

function ofOwner(db: Db, owner: ArtifactOwner) {
  return files(db).selectFrom('tracking_file').where('owner_kind', '=', owner.kind).where('owner', '=', owner.id);
}

/** What follows the last path below a folder: '0' is the character after '/'. */
function endOf(folder: string): string {
  return `${folder}0`;
}

function artifactOf(row: { path: string; digest: string; bytes: number; created_at: number }): Artifact {
  return { path: row.path, digest: row.digest as Digest, bytes: row.bytes, createdAt: row.created_at };
}
