import { partsOfKey } from '../model.ts';
import type { RegisteredModel } from '../shapes.ts';
import { type Db, type ModelTable, tables } from './tables.ts';

/** The model, deleted or not. */
export async function findModel(db: Db, name: string): Promise<RegisteredModel | undefined> {
  const row = await tables(db).selectFrom('registry_model').selectAll().where('name', '=', name).executeTakeFirst();
  return row && (await assembleModels(db, [row]))[0];
}

/** Of a project by name, after `after`, without those that were deleted. */
export async function listModels(
  db: Db,
  project: string,
  page: { readonly after?: string | undefined; readonly limit: number },
): Promise<RegisteredModel[]> {
  let query = tables(db)
    .selectFrom('registry_model')
    .selectAll()
    .where('project', '=', project)
    .where('deleted_at', 'is', null)
    .orderBy('name')
    .limit(page.limit);
  if (page.after !== undefined) query = query.where('name', '>', page.after);
  return assembleModels(db, await query.execute());
}

export async function insertModel(
  db: Db,
  draft: {
    readonly name: string;
    readonly description: string;
    readonly protectedAliases: readonly string[];
    readonly lastVersion: number;
    readonly createdAt: number;
    readonly createdBy: string;
    readonly author?: string | null;
  },
): Promise<void> {
  await tables(db)
    .insertInto('registry_model')
    .values({
      name: draft.name,
      project: partsOfKey(draft.name).project,
      description: draft.description,
      protected_aliases: JSON.stringify(draft.protectedAliases),
      last_version: draft.lastVersion,
      created_at: draft.createdAt,
      created_by: draft.createdBy,
      author: draft.author ?? null,
      updated_at: draft.createdAt,
      deleted_at: null,
      renamed_to: null,
    })
    .execute();
}

export interface ModelChange {
  readonly description?: string | undefined;
  readonly protectedAliases?: readonly string[];
  readonly lastVersion?: number;
  readonly createdAt?: number;
  readonly createdBy?: string;
  readonly author?: string | null;
  readonly deletedAt?: number | null;
  readonly renamedTo?: string | null;
}

/** Changes what is told, and when the model was last changed. */
export async function updateModel(db: Db, name: string, change: ModelChange, now: number): Promise<void> {
  const { description, protectedAliases, lastVersion, createdAt, createdBy, author, deletedAt, renamedTo } = change;
  await tables(db)
    .updateTable('registry_model')
    .set({
      updated_at: now,
      ...(description === undefined ? {} : { description }),
      ...(protectedAliases ? { protected_aliases: JSON.stringify(protectedAliases) } : {}),
      ...(lastVersion === undefined ? {} : { last_version: lastVersion }),
      ...(createdAt === undefined ? {} : { created_at: createdAt }),
      ...(createdBy === undefined ? {} : { created_by: createdBy }),
      ...(author === undefined ? {} : { author }),
      ...(deletedAt === undefined ? {} : { deleted_at: deletedAt }),
      ...(renamedTo === undefined ? {} : { renamed_to: renamedTo }),
    })
    .where('name', '=', name)
    .execute();
}

/** Everything that goes with a model from one name to another; the rows of both names must be there. */
export async function moveContents(db: Db, from: string, to: string): Promise<void> {
  const narrowed = tables(db);
  await narrowed.updateTable('registry_model_tag').set({ model: to }).where('model', '=', from).execute();
  await narrowed.updateTable('registry_version').set({ model: to }).where('model', '=', from).execute();
  await narrowed.updateTable('registry_version_tag').set({ model: to }).where('model', '=', from).execute();
  await narrowed.updateTable('registry_held_content').set({ model: to }).where('model', '=', from).execute();
  await narrowed.updateTable('registry_evidence').set({ model: to }).where('model', '=', from).execute();
  await narrowed.updateTable('registry_alias').set({ model: to }).where('model', '=', from).execute();
  await narrowed.updateTable('registry_alias_move').set({ model: to }).where('model', '=', from).execute();
  await narrowed.updateTable('registry_stage_move').set({ model: to }).where('model', '=', from).execute();
  await narrowed.updateTable('registry_import').set({ model: to }).where('model', '=', from).execute();
}

/** Whether any version was ever registered under the name and is there still, deleted or not. */
export async function hasVersions(db: Db, name: string): Promise<boolean> {
  const query = tables(db).selectFrom('registry_version').select('version').where('model', '=', name).limit(1);
  return (await query.executeTakeFirst()) !== undefined;
}

/** Sets tags, and removes those whose value is null. */
export async function putModelTags(
  db: Db,
  model: string,
  tags: Readonly<Record<string, string | null>>,
): Promise<void> {
  const names = Object.keys(tags);
  if (names.length === 0) return;
  await tables(db).deleteFrom('registry_model_tag').where('model', '=', model).where('key', 'in', names).execute();
  const rows = Object.entries(tags).flatMap(([key, value]) => (value === null ? [] : [{ model, key, value }]));
  if (rows.length > 0) await tables(db).insertInto('registry_model_tag').values(rows).execute();
}

export async function assembleModels(db: Db, rows: readonly ModelTable[]): Promise<RegisteredModel[]> {
  if (rows.length === 0) return [];
  const names = rows.map((row) => row.name);
  const [aliases, tags] = [
    await tables(db).selectFrom('registry_alias').selectAll().where('model', 'in', names).orderBy('alias').execute(),
    await tables(db).selectFrom('registry_model_tag').selectAll().where('model', 'in', names).orderBy('key').execute(),
  ];
  const aliasesOf = Map.groupBy(aliases, (alias) => alias.model);
  const tagsOf = Map.groupBy(tags, (tag) => tag.model);
  return rows.map((row) => ({
    name: row.name,
    project: row.project,
    description: row.description,
    tags: Object.fromEntries((tagsOf.get(row.name) ?? []).map((tag) => [tag.key, tag.value])),
    protectedAliases: JSON.parse(row.protected_aliases),
    aliases: Object.fromEntries((aliasesOf.get(row.name) ?? []).map((alias) => [alias.alias, alias.version])),
    lastVersion: row.last_version,
    createdAt: row.created_at,
    createdBy: row.created_by,
    author: row.author,
    updatedAt: row.updated_at,
    deletedAt: row.deleted_at,
  }));
}
