import { type Db, type Tables, tables } from './tables.ts';

export interface StoredUser {
  readonly name: string;
  readonly roles: readonly string[];
  readonly password: string | null;
  /** Of the identity provider at which the user signs in; null for a user with a password or keys only. */
  readonly issuer: string | null;
  readonly subject: string | null;
  readonly disabled: boolean;
  /** Counts up with whatever ends the validity of credentials, so that what was remembered of older ones is void. */
  readonly credentialsVersion: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export async function findUser(db: Db, name: string): Promise<StoredUser | undefined> {
  const row = await tables(db).selectFrom('account_user').selectAll().where('name', '=', name).executeTakeFirst();
  return row && userOf(row);
}

export async function findIdentity(db: Db, issuer: string, subject: string): Promise<StoredUser | undefined> {
  const row = await tables(db)
    .selectFrom('account_user')
    .selectAll()
    .where('issuer', '=', issuer)
    .where('subject', '=', subject)
    .executeTakeFirst();
  return row && userOf(row);
}

export async function listUsers(db: Db, after: string, limit: number): Promise<StoredUser[]> {
  const rows = await tables(db)
    .selectFrom('account_user')
    .selectAll()
    .where('name', '>', after)
    .orderBy('name')
    .limit(limit)
    .execute();
  return rows.map(userOf);
}

export async function countUsers(db: Db): Promise<number> {
  const row = await tables(db)
    .selectFrom('account_user')
    .select((e) => e.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

export async function insertUser(db: Db, user: StoredUser): Promise<void> {
  await tables(db)
    .insertInto('account_user')
    .values({
      name: user.name,
      roles: JSON.stringify(user.roles),
      password: user.password,
      issuer: user.issuer,
      subject: user.subject,
      disabled: user.disabled ? 1 : 0,
      credentials_version: user.credentialsVersion,
      created_at: user.createdAt,
      updated_at: user.updatedAt,
    })
    .execute();
}

export interface UserChange {
  readonly roles?: readonly string[] | undefined;
  readonly disabled?: boolean | undefined;
  readonly password?: string | undefined;
}

/** Changes a user; `voids` makes whatever was remembered of its credentials void. */
export async function updateUser(
  db: Db,
  name: string,
  change: UserChange & { readonly voids: boolean; readonly now: number },
): Promise<void> {
  await tables(db)
    .updateTable('account_user')
    .set((e) => ({
      ...(change.roles ? { roles: JSON.stringify(change.roles) } : {}),
      ...(change.disabled === undefined ? {} : { disabled: change.disabled ? 1 : 0 }),
      ...(change.password === undefined ? {} : { password: change.password }),
      ...(change.voids ? { credentials_version: e('credentials_version', '+', 1) } : {}),
      updated_at: change.now,
    }))
    .where('name', '=', name)
    .execute();
}

function userOf(row: Tables['account_user']): StoredUser {
  return {
    name: row.name,
    roles: JSON.parse(row.roles) as string[],
    password: row.password,
    issuer: row.issuer,
    subject: row.subject,
    disabled: row.disabled === 1,
    credentialsVersion: row.credentials_version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
