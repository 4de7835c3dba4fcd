import { type Db, tables } from './tables.ts';

export interface StoredSession {
  readonly hash: string;
  readonly kind: 'session' | 'link';
  readonly actor: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

export async function findSession(db: Db, hash: string): Promise<StoredSession | undefined> {
  const row = await tables(db).selectFrom('account_session').selectAll().where('hash', '=', hash).executeTakeFirst();
  return row && { hash, kind: row.kind, actor: row.actor, createdAt: row.created_at, expiresAt: row.expires_at };
}

export async function insertSession(db: Db, session: StoredSession): Promise<void> {
  const { hash, kind, actor, createdAt, expiresAt } = session;
  await tables(db)
    .insertInto('account_session')
    .values({ hash, kind, actor, created_at: createdAt, expires_at: expiresAt })
    .execute();
}

/** Whether there was one to remove. */
export async function deleteSession(db: Db, hash: string): Promise<boolean> {
  const result = await tables(db).deleteFrom('account_session').where('hash', '=', hash).executeTakeFirst();
  return result.numDeletedRows > 0n;
}

export async function deleteSessionsOf(db: Db, actor: string): Promise<void> {
  await tables(db).deleteFrom('account_session').where('actor', '=', actor).execute();
}

export async function deleteExpiredSessions(db: Db, now: number): Promise<void> {
  await tables(db).deleteFrom('account_session').where('expires_at', '<=', now).execute();
}

export async function deleteOldestSessions(db: Db, actor: string, keep: number): Promise<void> {
  const rows = await tables(db)
    .selectFrom('account_session')
    .select('hash')
    .where('actor', '=', actor)
    .orderBy('created_at', 'desc')
    .offset(keep)
    .limit(1_000)
    .execute();
  const hashes = rows.map((row) => row.hash);
  if (hashes.length > 0) await tables(db).deleteFrom('account_session').where('hash', 'in', hashes).execute();
}
