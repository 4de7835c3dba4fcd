import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';

export type Db = Kysely<AnyTables>;

export interface VersionKey {
  readonly model: string;
  readonly version: number;
}

export interface ModelTable {
  name: string;
  project: string;
  description: string;
  protected_aliases: string;
  last_version: number;
  created_at: number;
  created_by: string;
  /** Who made it on the server that it was brought in from, as that says. */
  author: string | null;
  updated_at: number;
  deleted_at: number | null;
  /** Under which name the model goes on; its former name stays as a tombstone. */
  renamed_to: string | null;
}

export interface VersionTable {
  model: string;
  version: number;
  digest: string;
  run: string | null;
  logged_model: string | null;
  source: string;
  run_link: string;
  cause: string;
  artifacts: string;
  signature: string;
  schema: string;
  status: string;
  status_message: string;
  stage: string;
  stage_status: string;
  major: number;
  minor: number;
  patch: number;
  description: string;
  created_at: number;
  created_by: string;
  author: string | null;
  updated_at: number;
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

export interface StageMoveTable {
  model: string;
  version: number;
  number: number;
  from_stage: string;
  from_status: string;
  to_stage: string;
  to_status: string;
  moved_by: string;
  moved_at: number;
  reason: string;
}

export interface Tables {
  readonly registry_model: ModelTable;
  readonly registry_model_tag: { model: string; key: string; value: string };
  readonly registry_version: VersionTable;
  readonly registry_version_tag: { model: string; version: number; key: string; value: string };
  readonly registry_held_content: { digest: string; model: string; version: number };
  readonly registry_evidence: EvidenceTable;
  readonly registry_alias: { model: string; alias: string; version: number };
  readonly registry_alias_move: AliasMoveTable;
  readonly registry_stage_move: StageMoveTable;
  readonly registry_import: {
    model: string;
    source: string;
    digest: string | null;
    begun_at: number;
    finished_at: number | null;
  };
}

/** The handle, narrowed to the tables of this domain. */
export function tables(db: Db): Kysely<Tables> {
  return db;
}
