import { digestOf } from '#core/hash';
import type { EvaluationDataset, EvaluationRecord } from '../../../evaluation/model.ts';
import type { ScorerVersion } from '../../../evaluation/store/scorers.ts';

/** What the services answer of evaluations, as MLflow's messages. Objects are JSON within a text there. */

const DIGEST_LENGTH = 8;

export function sentDataset(dataset: EvaluationDataset): object {
  const { name, updatedAt, schema, records } = dataset;
  const isKnown = Object.values(schema).some((fields) => Object.keys(fields).length > 0);
  return {
    dataset_id: dataset.id,
    name,
    tags: JSON.stringify(Object.fromEntries(dataset.tags)),
    schema: isKnown ? JSON.stringify({ ...schema, version: '1.0' }) : undefined,
    profile: records > 0 ? JSON.stringify({ num_records: records }) : undefined,
    digest: digestOf(`${name}:${updatedAt}`).slice('sha256:'.length).slice(0, DIGEST_LENGTH),
    created_time: dataset.createdAt,
    last_update_time: updatedAt,
    created_by: dataset.createdBy,
    last_updated_by: dataset.updatedBy,
    experiment_ids: dataset.experiments,
  };
}

export function sentRecord(record: EvaluationRecord): object {
  const { source } = record;
  const id = source?.data[source.type === 'TRACE' ? 'trace_id' : 'source_id'];
  return {
    dataset_record_id: record.id,
    dataset_id: record.dataset,
    inputs: record.inputs,
    outputs: record.outputs,
    expectations: record.expectations,
    tags: record.tags ?? {},
    source: source && { source_type: source.type, source_data: source.data },
    source_id: typeof id === 'string' ? id : undefined,
    source_type: source?.type,
    created_time: record.createdAt,
    last_update_time: record.updatedAt,
    created_by: record.createdBy,
    last_updated_by: record.updatedBy,
  };
}

export function sentScorer(version: ScorerVersion): object {
  return {
    experiment_id: Number(version.experiment),
    scorer_name: version.name,
    scorer_version: version.version,
    serialized_scorer: version.content,
    creation_time: version.createdAt,
    scorer_id: version.scorer,
  };
}
