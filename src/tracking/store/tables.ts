import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';
import type { EvaluationTables } from '../evaluation/store/tables.ts';
import type { IssueTable } from '../issues/store.ts';
import type { TraceTables } from '../traces/store/tables.ts';

export type Db = Kysely<AnyTables>;

interface KeyedTable {
  run: string;
  key: string;
  value: string;
}

/** One metric of one run, with its latest point. Its points lie in tracking_point under its number. */
export interface SeriesTable {
  id: number;
  run: string;
  /** That of the run, so that an index serves searches of one experiment. */
  experiment: string;
  key: string;
  step: number;
  timestamp: number;
  value: number;
  special: string;
}

export interface PointTable {
  series: number;
  timestamp: number;
  step: number;
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
  /** Whom the run is of, as its client says. */
  user_id: string;
  artifact_uri: string;
}

export interface ExperimentTable {
  id: string;
  number: number;
  name: string;
  created_at: number;
  created_by: string;
  deleted_at: number | null;
  project: string;
  artifact_location: string;
  updated_at: number;
}

export interface DatasetTable {
  id: string;
  experiment: string;
  name: string;
  digest: string;
  source_type: string;
  source: string;
  schema: string | null;
  profile: string | null;
}

export interface ModelTable {
  id: string;
  experiment: string;
  name: string;
  artifact_uri: string;
  status: string;
  status_message: string | null;
  model_type: string | null;
  source_run: string | null;
  created_by: string;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
}

export interface ModelMetricTable {
  model: string;
  key: string;
  timestamp: number;
  step: number;
  run: string;
  value: number;
  special: string;
  dataset_name: string | null;
  dataset_digest: string | null;
}

export interface Tables extends TraceTables, EvaluationTables {
  readonly tracking_experiment: ExperimentTable;
  readonly tracking_run: RunTable;
  readonly tracking_param: KeyedTable;
  readonly tracking_tag: KeyedTable;
  readonly tracking_experiment_tag: { experiment: string; key: string; value: string };
  readonly tracking_series: SeriesTable;
  readonly tracking_point: PointTable;
  readonly tracking_dataset: DatasetTable;
  readonly tracking_dataset_input: {
    run: string;
    dataset: string;
    position: number;
    /** The value of the tag mlflow.data.context, which searches ask for. */
    context: string | null;
    /** JSON: the tags of the input, a list of keys and values. */
    tags: string;
  };
  readonly tracking_model: ModelTable;
  readonly tracking_model_param: { model: string; key: string; value: string };
  readonly tracking_model_tag: { model: string; key: string; value: string };
  readonly tracking_model_metric: ModelMetricTable;
  /** Numbers of experiments that were removed for ever. */
  readonly tracking_purged_experiment: { number: number };
  readonly tracking_import: {
    kind: string;
    id: string;
    source: string;
    /** Of what the source said when it was last brought in; null until then. */
    digest: string | null;
    begun_at: number;
    finished_at: number | null;
  };
  readonly tracking_issue: IssueTable;
  readonly tracking_model_link: { run: string; direction: string; model: string; step: number };
}

/** The handle, narrowed to the tables of this domain. */
export function tables(db: Db): Kysely<Tables> {
  return db;
}
