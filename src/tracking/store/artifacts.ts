import { sql } from 'kysely';
import type { Digest } from '#core/hash';
import type { Artifact } from '../contract.ts';
import { foldersOf } from '../model.ts';
import { type Db, tables } from './tables.ts';

export async function findArtifact(db: Db, run: string, path: string): Promise<Artifact | undefined> {
  const row = await tables(db)
    .selectFrom('tracking_artifact')
    .selectAll()
    .where('run', '=', run)
    .where('path', '=', path)
    .executeTakeFirst();
  return row && artifactOf(row);
}

/** The files of a run, or those below `folder`, by path. They are few enough to sort here, alike in every dialect. */
export async function listArtifacts(db: Db, run: string, folder?: string): Promise<Artifact[]> {
  let query = tables(db).selectFrom('tracking_artifact').selectAll().where('run', '=', run);
  if (folder !== undefined) query = query.where(liesBelow(folder));
  const artifacts = (await query.execute()).map(artifactOf);
  return artifacts.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A file that stands where `path` needs a folder, or one that lies below `path` as if that were a folder. */
export async function conflictingPath(db: Db, run: string, path: string): Promise<string | undefined> {
  const ofRun = tables(db).selectFrom('tracking_artifact').select('path').where('run', '=', run);
  const folders = foldersOf(path);
  const above = folders.length > 0 ? await ofRun.where('path', 'in', folders).executeTakeFirst() : undefined;
  return (above ?? (await ofRun.where(liesBelow(path)).executeTakeFirst()))?.path;
}

export async function countArtifacts(db: Db, run: string): Promise<number> {
  const row = await tables(db)
    .selectFrom('tracking_artifact')
    .select((e) => e.fn.countAll().as('count'))
    .where('run', '=', run)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Stores an artifact in place of the one of the same path, if any. */
export async function putArtifact(db: Db, run: string, artifact: Artifact): Promise<void> {
  const { path, digest, bytes, createdAt } = artifact;
  await tables(db)
    .insertInto('tracking_artifact')
    .values({ run, path, digest, bytes, created_at: createdAt })
    .onConflict((c) => c.columns(['run', 'path']).doUpdateSet({ digest, bytes, created_at: createdAt }))
    .execute();
}

/** Compared as a plain prefix: `like` ignores case in one dialect and not in the other. */
function liesBelow(folder: string) {
  const prefix = `${folder}/`;
  return sql<boolean>`substr(path, 1, ${sql.lit([...prefix].length)}) = ${prefix}`;
}

function artifactOf(row: { path: string; digest: string; bytes: number; created_at: number }): Artifact {
  return { path: row.path, digest: row.digest as Digest, bytes: row.bytes, createdAt: row.created_at };
}
