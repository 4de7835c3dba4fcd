import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';

export type Db = Kysely<AnyTables>;

export interface Tables {
  readonly account_user: {
    name: string;
    roles: string;
    password: string | null;
    issuer: string | null;
    subject: string | null;
    disabled: number;
    credentials_version: number;
    created_at: number;
    updated_at: number;
  };
  readonly account_key: {
    id: string;
    user_name: string;
    label: string;
    hash: string;
    created_at: number;
    expires_at: number | null;
    revoked_at: number | null;
  };
  readonly account_session: {
    hash: string;
    kind: 'session' | 'link';
    actor: string;
    created_at: number;
    expires_at: number;
  };
  readonly account_project: {
    name: string;
    description: string;
    archived: number;
    created_at: number;
    updated_at: number;
  };
  readonly account_grant: { principal: string; project: string; object: string; level: string; created_at: number };
}

export function tables(db: Db): Kysely<Tables> {
  return db;
}
