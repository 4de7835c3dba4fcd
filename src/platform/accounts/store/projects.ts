import type { Level } from '#platform/access';
import { type Db, type Tables, tables } from './tables.ts';

export interface StoredProject {
  readonly name: string;
  readonly description: string;
  readonly archived: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface StoredGrant {
  readonly principal: string;
  readonly project: string;
  /** Empty for the project as a whole. */
  readonly object: string;
  readonly level: Level;
  readonly createdAt: number;
}

export async function findProject(db: Db, name: string): Promise<StoredProject | undefined> {
  const row = await tables(db).selectFrom('account_project').selectAll().where('name', '=', name).executeTakeFirst();
  return row && projectOf(row);
}

export async function listProjects(db: Db): Promise<StoredProject[]> {
  const rows = await tables(db).selectFrom('account_project').selectAll().orderBy('name').limit(10_000).execute();
  return rows.map(projectOf);
}

export async function insertProject(db: Db, project: StoredProject): Promise<void> {
  const { name, description, archived, createdAt, updatedAt } = project;
  await tables(db)
    .insertInto('account_project')
    .values({ name, description, archived: archived ? 1 : 0, created_at: createdAt, updated_at: updatedAt })
    .execute();
}

export async function updateProject(db: Db, project: StoredProject): Promise<void> {
  const { name, description, archived, updatedAt } = project;
  await tables(db)
    .updateTable('account_project')
    .set({ description, archived: archived ? 1 : 0, updated_at: updatedAt })
    .where('name', '=', name)
    .execute();
}

function projectOf(row: Tables['account_project']): StoredProject {
  return {
    name: row.name,
    description: row.description,
    archived: row.archived === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

export async function grantsOfPrincipals(db: Db, principals: readonly string[]): Promise<StoredGrant[]> {
  if (principals.length === 0) return [];
  const rows = await tables(db)
    .selectFrom('account_grant')
    .selectAll()
    .where('principal', 'in', principals)
    .orderBy('project')
    .orderBy('object')
    .execute();
  return rows.map(grantOf);
}

export async function countGrants(db: Db, principal: string): Promise<number> {
  const row = await tables(db)
    .selectFrom('account_grant')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where('principal', '=', principal)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Those of a project, or of one object in it, in the order of their key. */
export async function listGrants(
  db: Db,
  filter: { readonly project: string; readonly object?: string | undefined; readonly limit: number },
): Promise<StoredGrant[]> {
  let query = tables(db).selectFrom('account_grant').selectAll().where('project', '=', filter.project);
  if (filter.object !== undefined) query = query.where('object', '=', filter.object);
  const rows = await query.orderBy('object').orderBy('principal').limit(filter.limit).execute();
  return rows.map(grantOf);
}

export async function putGrant(db: Db, grant: StoredGrant): Promise<void> {
  const { principal, project, object, level, createdAt } = grant;
  await tables(db)
    .insertInto('account_grant')
    .values({ principal, project, object, level, created_at: createdAt })
    .onConflict((c) => c.columns(['principal', 'project', 'object']).doUpdateSet({ level }))
    .execute();
}

/** Whether there was one to remove. */
export async function deleteGrant(
  db: Db,
  { principal, project, object }: Pick<StoredGrant, 'principal' | 'project' | 'object'>,
): Promise<boolean> {
  const result = await tables(db)
    .deleteFrom('account_grant')
    .where('principal', '=', principal)
    .where('project', '=', project)
    .where('object', '=', object)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

function grantOf(row: Tables['account_grant']): StoredGrant {
  const { principal, project, object, created_at: createdAt } = row;
  return { principal, project, object, level: row.level as Level, createdAt };
}
