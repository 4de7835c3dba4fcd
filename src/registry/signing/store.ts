import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';
import type { TrustedSigner } from './contract.ts';

interface SignerTable {
  name: string;
  kind: string;
  pem: string;
  fingerprint: string;
  algorithm: string;
  subject: string | null;
  added_at: number;
  added_by: string;
  revoked_at: number | null;
  revoked_by: string | null;
}

type Db = Kysely<AnyTables>;

const tables = (db: Db): Kysely<{ readonly registry_signer: SignerTable }> => db;

/** By name, those that were revoked included. */
export async function listSigners(db: Db): Promise<TrustedSigner[]> {
  const rows = await tables(db).selectFrom('registry_signer').selectAll().orderBy('name').execute();
  return rows.map((row) => ({
    name: row.name,
    kind: row.kind === 'authority' ? 'authority' : 'key',
    pem: row.pem,
    fingerprint: row.fingerprint,
    algorithm: row.algorithm,
    subject: row.subject,
    addedAt: row.added_at,
    addedBy: row.added_by,
    revokedAt: row.revoked_at,
    revokedBy: row.revoked_by,
  }));
}

export async function insertSigner(db: Db, signer: TrustedSigner): Promise<void> {
  const { addedAt, addedBy, revokedAt, revokedBy, ...same } = signer;
  await tables(db)
    .insertInto('registry_signer')
    .values({ ...same, added_at: addedAt, added_by: addedBy, revoked_at: revokedAt, revoked_by: revokedBy })
    .execute();
}

export async function revokeSigner(
  db: Db,
  name: string,
  by: { readonly revokedAt: number; readonly revokedBy: string },
): Promise<void> {
  await tables(db)
    .updateTable('registry_signer')
    .set({ revoked_at: by.revokedAt, revoked_by: by.revokedBy })
    .where('name', '=', name)
    .execute();
}
