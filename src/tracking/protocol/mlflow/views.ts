import type { MetricPoint } from '../../model.ts';
import type { TaggedExperiment } from '../../services/experiments.ts';
import type { DatasetInput } from '../../store/lineage.ts';
import type { LoggedModel, ModelMetric } from '../../store/models.ts';
import type { RunWithLineage } from '../../store/runs.ts';
import { sentDouble } from './wire.ts';

/** What the services answer, as MLflow's messages. */

export function sentExperiment(experiment: TaggedExperiment) {
  return {
    experiment_id: experiment.id,
    name: experiment.name,
    artifact_location: experiment.artifactLocation,
    lifecycle_stage: experiment.lifecycle,
    last_update_time: experiment.updatedAt,
    creation_time: experiment.createdAt,
    tags: [...experiment.tags].map(sentPair),
  };
}

export function sentRunInfo(run: RunWithLineage) {
  return {
    run_uuid: run.id,
    run_id: run.id,
    run_name: run.name,
    experiment_id: run.experiment.id,
    user_id: run.userId,
    status: run.status.toUpperCase(),
    start_time: run.startedAt,
    end_time: run.endedAt ?? undefined,
    artifact_uri: run.artifactUri,
    lifecycle_stage: run.lifecycle,
  };
}

export function sentRun(run: RunWithLineage) {
  return { info: sentRunInfo(run), data: sentData(run), ...sentLineage(run) };
}

export type RunField = 'info' | 'metrics' | 'params' | 'tags' | 'inputs' | 'outputs';

/** Only some parts of a run, for a client that asks for no more. */
export function sentFields(run: RunWithLineage, fields: readonly RunField[]) {
  const data = sentData(run);
  const { inputs, outputs } = sentLineage(run);
  const wanted = (field: RunField) => fields.includes(field);
  return {
    info: wanted('info') ? sentRunInfo(run) : { run_uuid: run.id, run_id: run.id },
    data: {
      metrics: wanted('metrics') ? data.metrics : undefined,
      params: wanted('params') ? data.params : undefined,
      tags: wanted('tags') ? data.tags : undefined,
    },
    inputs: wanted('inputs') ? inputs : undefined,
    outputs: wanted('outputs') ? outputs : undefined,
  };
}

function sentData(run: RunWithLineage) {
  return {
    metrics: Object.entries(run.metrics).map(([key, point]) => sentMetric(key, point)),
    params: Object.entries(run.params).map(sentPair),
    tags: Object.entries(run.tags).map(sentPair),
  };
}

function sentLineage({ lineage }: RunWithLineage) {
  return {
    inputs: {
      dataset_inputs: lineage.datasets.map(sentDatasetInput),
      model_inputs: lineage.inputModels.map(({ model }) => ({ model_id: model })),
    },
    outputs: { model_outputs: lineage.outputModels.map(({ model, step }) => ({ model_id: model, step })) },
  };
}

export function sentMetric(key: string, { value, timestamp, step }: MetricPoint) {
  return { key, value: sentDouble(value), timestamp, step };
}

function sentPair([key, value]: readonly [string, string]) {
  return { key, value };
}

function sentDatasetInput({ dataset, tags }: DatasetInput) {
  return {
    tags,
    dataset: {
      name: dataset.name,
      digest: dataset.digest,
      source_type: dataset.sourceType,
      source: dataset.source,
      schema: dataset.schema,
      profile: dataset.profile,
    },
  };
}

export function sentModel(model: LoggedModel) {
  return {
    info: {
      model_id: model.id,
      experiment_id: model.experiment,
      name: model.name,
      creation_timestamp_ms: model.createdAt,
      last_updated_timestamp_ms: model.updatedAt,
      artifact_uri: model.artifactUri,
      status: `LOGGED_MODEL_${model.status}`,
      model_type: model.modelType,
      source_run_id: model.sourceRun,
      status_message: model.statusMessage,
      tags: [...model.tags].map(sentPair),
    },
    data: { params: [...model.params].map(sentPair), metrics: model.metrics.map(sentModelMetric) },
  };
}

function sentModelMetric(metric: ModelMetric) {
  return {
    ...sentMetric(metric.key, metric),
    model_id: metric.model,
    run_id: metric.run,
    dataset_name: metric.datasetName,
    dataset_digest: metric.datasetDigest,
  };
}
