import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';

export type Db = Kysely<AnyTables>;

interface KeyedTable {
  run: string;
  key: string;
  value: string;
}

export interface MetricTable {
  run: string;
  key: string;
  step: number;
  timestamp: number;
  value: number;
  special: string;
}

export interface RunTable {
  id: string;
  experiment: string;
  name: string;
  status: string;
  started_by: string;
  started_at: number;
  ended_at: number | null;
  source_run: string | null;
  source_step: string | null;
  cause: string;
  deleted_at: number | null;
  /** 1 when the run was deleted along with its experiment, so that restoring that restores the run. */
  deleted_with_experiment: number;
}

export interface ExperimentTable {
  id: string;
  number: number;
  name: string;
  created_at: number;
  created_by: string;
  deleted_at: number | null;
}

interface Tables {
  readonly tracking_experiment: ExperimentTable;
  readonly tracking_run: RunTable;
  readonly tracking_param: KeyedTable;
  readonly tracking_tag: KeyedTable;
  readonly tracking_metric: MetricTable;
  readonly tracking_latest_metric: MetricTable;
  readonly tracking_artifact: { run: string; path: string; digest: string; bytes: number; created_at: number };
}

/** The handle, narrowed to the tables of this domain. */
export function tables(db: Db): Kysely<Tables> {
  return db;
}
