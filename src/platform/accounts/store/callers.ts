import { type Db, tables } from './tables.ts';

/** A live key with the roles of its user, who is not disabled. */
export interface StoredCallerKey {
  readonly hash: string;
  readonly user: string;
  readonly roles: readonly string[];
  readonly expiresAt: number | null;
}

const KEYS_MAX = 100_000;

export async function listCallerKeys(db: Db, now: number): Promise<StoredCallerKey[]> {
  const rows = await tables(db)
    .selectFrom('account_key')
    .innerJoin('account_user', 'account_user.name', 'account_key.user_name')
    .select(['account_key.hash', 'account_user.name', 'account_user.roles', 'account_key.expires_at'])
    .where('account_key.revoked_at', 'is', null)
    .where('account_user.disabled', '=', 0)
    .where((e) => e.or([e('account_key.expires_at', 'is', null), e('account_key.expires_at', '>', now)]))
    .orderBy('account_key.id')
    .limit(KEYS_MAX)
    .execute();
  return rows.map(({ hash, name, roles, expires_at: expiresAt }) => ({
    ...{ hash, expiresAt },
    user: name,
    roles: JSON.parse(roles) as string[],
  }));
}

export async function listBarred(db: Db): Promise<{ readonly issuer: string; readonly subject: string }[]> {
  const rows = await tables(db)
    .selectFrom('account_user')
    .select(['issuer', 'subject'])
    .where('disabled', '=', 1)
    .where('issuer', 'is not', null)
    .orderBy('name')
    .limit(KEYS_MAX)
    .execute();
  return rows.flatMap(({ issuer, subject }) => (issuer && subject ? [{ issuer, subject }] : []));
}

/** A text that changes with every key that is made or revoked and every user who is changed. */
export async function callersFingerprint(db: Db): Promise<string> {
  const keys = await tables(db)
    .selectFrom('account_key')
    .select((e) => [e.fn.countAll().as('made'), e.fn.count('revoked_at').as('revoked')])
    .executeTakeFirstOrThrow();
  const users = await tables(db)
    .selectFrom('account_user')
    .select((e) => [
      e.fn.countAll().as('users'),
      e.fn.sum('credentials_version').as('versions'),
      e.fn.max('updated_at').as('changed'),
    ])
    .executeTakeFirstOrThrow();
  return [keys.made, keys.revoked, users.users, users.versions, users.changed].map(String).join('.');
}
