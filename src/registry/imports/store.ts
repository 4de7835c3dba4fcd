import { type Db, tables, type VersionKey } from '../store/tables.ts';

export interface ModelImport {
  readonly source: string;
  /** Null until it was finished once. */
  readonly digest: string | null;
}

export async function findImport(db: Db, model: string): Promise<ModelImport | undefined> {
  return tables(db)
    .selectFrom('registry_import')
    .select(['source', 'digest'])
    .where('model', '=', model)
    .executeTakeFirst();
}

export async function insertImport(db: Db, model: string, begun: { source: string; at: number }): Promise<void> {
  await tables(db)
    .insertInto('registry_import')
    .values({ model, source: begun.source, digest: null, begun_at: begun.at, finished_at: null })
    .execute();
}

export async function finishImport(db: Db, model: string, done: { digest: string; at: number }): Promise<void> {
  await tables(db)
    .updateTable('registry_import')
    .set({ digest: done.digest, finished_at: done.at })
    .where('model', '=', model)
    .execute();
}

/** Says when a model was last changed where it comes from. */
export async function dateModel(db: Db, model: string, updatedAt: number): Promise<void> {
  await tables(db).updateTable('registry_model').set({ updated_at: updatedAt }).where('name', '=', model).execute();
}

export async function dateVersion(db: Db, { model, version }: VersionKey, updatedAt: number): Promise<void> {
  await tables(db)
    .updateTable('registry_version')
    .set({ updated_at: updatedAt })
    .where('model', '=', model)
    .where('version', '=', version)
    .execute();
}
