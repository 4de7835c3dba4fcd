export interface EvaluationDatasetTable {
  id: string;
  project: string;
  name: string;
  /** JSON: the types of the fields that records have had. */
  schema: string;
  records: number;
  /** That of the record that was added last. */
  last_position: number;
  /** Who was authenticated when it was made. */
  owner: string;
  /** Who made it, as the client says. */
  created_by: string | null;
  created_at: number;
  updated_by: string | null;
  updated_at: number;
  deleted_at: number | null;
}

export interface EvaluationRecordTable {
  dataset: string;
  id: string;
  position: number;
  /** Of the inputs, which are what a record is known by. */
  digest: string;
  bytes: number;
  /** JSON. */
  content: string;
  created_by: string | null;
  created_at: number;
  updated_by: string | null;
  updated_at: number;
}

export interface ScorerVersionTable {
  scorer: string;
  version: number;
  content: string;
  created_by: string;
  created_at: number;
  deleted_at: number | null;
}

export interface EvaluationTables {
  readonly tracking_evaluation_dataset: EvaluationDatasetTable;
  readonly tracking_evaluation_tag: { dataset: string; key: string; value: string };
  readonly tracking_evaluation_experiment: { dataset: string; experiment: string };
  readonly tracking_evaluation_record: EvaluationRecordTable;
  readonly tracking_scorer: { id: string; experiment: string; name: string };
  readonly tracking_scorer_version: ScorerVersionTable;
}
