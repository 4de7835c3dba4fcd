import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';

export type Db = Kysely<AnyTables>;

export interface VersionKey {
  readonly model: string;
  readonly version: number;
}

export interface ModelTable {
  name: string;
  description: string;
  protected_aliases: string;
  last_version: number;
  created_at: number;
  created_by: string;
}

export interface VersionTable {
  model: string;
  version: number;
  digest: string;
  run: string | null;
  cause: string;
  artifacts: string;
  signature: string;
  description: string;
  created_at: number;
  created_by: string;
  deleted_at: number | null;
}

export interface EvidenceTable {
  model: string;
  version: number;
  number: number;
  id: string;
  kind: string;
  passed: number | null;
  data: string;
  bytes: number;
  digest: string;
  added_by: string;
  added_at: number;
}

export interface AliasMoveTable {
  model: string;
  alias: string;
  number: number;
  from_version: number | null;
  to_version: number | null;
  moved_by: string;
  moved_at: number;
  reason: string;
  cause: string;
}

interface Tables {
  readonly registry_model: ModelTable;
  readonly registry_version: VersionTable;
  readonly registry_version_tag: { model: string; version: number; key: string; value: string };
  readonly registry_evidence: EvidenceTable;
  readonly registry_alias: { model: string; alias: string; version: number };
  readonly registry_alias_move: AliasMoveTable;
}

/** The handle, narrowed to the tables of this domain. */
export function tables(db: Db): Kysely<Tables> {
  return db;
}
