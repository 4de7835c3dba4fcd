import type { Kysely } from 'kysely';
import type { Db } from '../../store/tables.ts';

interface FileTable {
  owner_kind: string;
  owner: string;
  path: string;
  digest: string;
  bytes: number;
  created_at: number;
}

interface UploadTable {
  id: string;
  owner_kind: string;
  owner: string;
  path: string;
  parts: number;
  key_digest: string;
  created_at: number;
  completed_at: number | null;
}

interface Tables {
  readonly tracking_file: FileTable;
  readonly tracking_upload: UploadTable;
  readonly tracking_upload_part: { upload: string; part: number; digest: string; bytes: number };
}

/** The handle, narrowed to the tables of artifacts. */
export function files(db: Db): Kysely<Tables> {
  return db;
}
