import type { RegisteredModel } from '../contract.ts';
import { type Db, type ModelTable, tables } from './tables.ts';

export async function findModel(db: Db, name: string): Promise<RegisteredModel | undefined> {
  const row = await tables(db).selectFrom('registry_model').selectAll().where('name', '=', name).executeTakeFirst();
  return row && (await withAliases(db, [row]))[0];
}

/** By name, after `after`. */
export async function listModels(
  db: Db,
  page: { readonly after?: string | undefined; readonly limit: number },
): Promise<RegisteredModel[]> {
  let query = tables(db).selectFrom('registry_model').selectAll().orderBy('name').limit(page.limit);
  if (page.after !== undefined) query = query.where('name', '>', page.after);
  return withAliases(db, await query.execute());
}

export async function insertModel(
  db: Db,
  draft: {
    readonly name: string;
    readonly protectedAliases: readonly string[];
    readonly createdAt: number;
    readonly createdBy: string;
  },
): Promise<void> {
  await tables(db)
    .insertInto('registry_model')
    .values({
      name: draft.name,
      description: '',
      protected_aliases: JSON.stringify(draft.protectedAliases),
      last_version: 0,
      created_at: draft.createdAt,
      created_by: draft.createdBy,
    })
    .execute();
}

export async function updateModel(
  db: Db,
  name: string,
  change: {
    readonly description?: string;
    readonly protectedAliases?: readonly string[];
    readonly lastVersion?: number;
  },
): Promise<void> {
  await tables(db)
    .updateTable('registry_model')
    .set({
      ...(change.description === undefined ? {} : { description: change.description }),
      ...(change.protectedAliases ? { protected_aliases: JSON.stringify(change.protectedAliases) } : {}),
      ...(change.lastVersion === undefined ? {} : { last_version: change.lastVersion }),
    })
    .where('name', '=', name)
    .execute();
}

async function withAliases(db: Db, rows: readonly ModelTable[]): Promise<RegisteredModel[]> {
  if (rows.length === 0) return [];
  const aliases = await tables(db)
    .selectFrom('registry_alias')
    .selectAll()
    .where(
      'model',
      'in',
      rows.map((row) => row.name),
    )
    .orderBy('alias')
    .execute();
  return rows.map((row) => ({
    name: row.name,
    description: row.description,
    protectedAliases: JSON.parse(row.protected_aliases),
    aliases: Object.fromEntries(aliases.filter((a) => a.model === row.name).map((a) => [a.alias, a.version])),
    lastVersion: row.last_version,
    createdAt: row.created_at,
    createdBy: row.created_by,
  }));
}
