import { type Db, type Tables, tables } from './tables.ts';

export interface StoredKey {
  readonly id: string;
  readonly user: string;
  readonly label: string;
  readonly hash: string;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

export async function findKey(db: Db, id: string): Promise<StoredKey | undefined> {
  const row = await tables(db).selectFrom('account_key').selectAll().where('id', '=', id).executeTakeFirst();
  return row && keyOf(row);
}

export async function listKeys(db: Db, user: string): Promise<StoredKey[]> {
  const rows = await tables(db)
    .selectFrom('account_key')
    .selectAll()
    .where('user_name', '=', user)
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .execute();
  return rows.map(keyOf);
}

export async function insertKey(db: Db, key: StoredKey): Promise<void> {
  await tables(db)
    .insertInto('account_key')
    .values({
      id: key.id,
      user_name: key.user,
      label: key.label,
      hash: key.hash,
      created_at: key.createdAt,
      expires_at: key.expiresAt,
      revoked_at: key.revokedAt,
    })
    .execute();
}

export async function revokeKey(db: Db, id: string, now: number): Promise<void> {
  await tables(db)
    .updateTable('account_key')
    .set({ revoked_at: now })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .execute();
}

function keyOf(row: Tables['account_key']): StoredKey {
  return {
    id: row.id,
    user: row.user_name,
    label: row.label,
    hash: row.hash,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  };
}
