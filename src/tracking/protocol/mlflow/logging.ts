import type { ForeignRoute } from '#platform/http';
import type { LoggedMetric } from '../../services/log-metrics.ts';
import type { Batch, LogService } from '../../services/logging.ts';
import { mlflowErrors } from './errors.ts';
import { key, optionalText, PARAM_MAX, paramsOf, RUN_TAG_MAX, recordOf, runId, runTags, timestamp } from './fields.ts';
import { mlflowRoute } from './route.ts';
import { wire } from './wire.ts';

const BATCH_MAX = 1_000;
const BATCH_BYTES_MAX = 1_048_576;
const HISTORY_TAG = 'mlflow.log-model.history';
const NOTHING: Batch = { metrics: [], params: {}, tags: {} };

const metricFields = {
  key: key(),
  value: wire.double(),
  timestamp: timestamp(),
  step: wire.int64().default(0),
  model_id: optionalText(256),
  dataset_name: optionalText(500),
  dataset_digest: optionalText(36),
};

interface SentMetric {
  readonly key: string;
  readonly value: number;
  readonly timestamp: number;
  readonly step: number;
  readonly model_id?: string | undefined;
  readonly dataset_name?: string | undefined;
  readonly dataset_digest?: string | undefined;
}

function metricOf({ key: name, value, timestamp: at, step, ...of }: SentMetric): LoggedMetric {
  const metric = { key: name, value, timestamp: at, step };
  if (of.model_id === undefined) return metric;
  return {
    ...metric,
    model: {
      id: of.model_id,
      ...(of.dataset_name === undefined ? {} : { datasetName: of.dataset_name }),
      ...(of.dataset_digest === undefined ? {} : { datasetDigest: of.dataset_digest }),
    },
  };
}

export function loggingRoutes(service: LogService): ForeignRoute[] {
  return [batch(service), ...single(service), ...others(service)];
}

function batch(service: LogService): ForeignRoute {
  return mlflowRoute({
    name: 'runs.log-batch',
    major: 2,
    method: 'POST',
    path: 'runs/log-batch',
    permission: 'tracking:write',
    audit: 'tracking-run.log',
    bodyBytesMax: BATCH_BYTES_MAX,
    input: {
      run_id: runId(),
      metrics: wire.list(wire.message(metricFields), BATCH_MAX).default([]),
      params: wire.list(wire.message({ key: key(), value: wire.string(PARAM_MAX).default('') }), 100).default([]),
      tags: runTags().default([]),
    },
    async handler(input, ctx) {
      const total = input.metrics.length + input.params.length + input.tags.length;
      if (total > BATCH_MAX) {
        throw mlflowErrors.INVALID_PARAMETER_VALUE(
          `A batch logging request can contain at most ${BATCH_MAX} metrics, params and tags in all. ` +
            `Got ${total}. Please split up them across multiple requests and try again.`,
        );
      }
      await service.batch(ctx, input.run_id, {
        metrics: input.metrics.map(metricOf),
        params: paramsOf(input.params),
        tags: recordOf(input.tags),
      });
      return {};
    },
  });
}

function single(service: LogService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'runs.log-metric',
      major: 2,
      method: 'POST',
      path: 'runs/log-metric',
      permission: 'tracking:write',
      audit: 'tracking-run.log',
      input: { run_id: runId(), ...metricFields },
      async handler(input, ctx) {
        await service.batch(ctx, input.run_id, { ...NOTHING, metrics: [metricOf(input)] });
        return {};
      },
    }),
    mlflowRoute({
      name: 'runs.log-parameter',
      major: 2,
      method: 'POST',
      path: 'runs/log-parameter',
      permission: 'tracking:write',
      audit: 'tracking-run.log',
      input: { run_id: runId(), key: key(), value: wire.string(PARAM_MAX).default('') },
      async handler(input, ctx) {
        await service.batch(ctx, input.run_id, { ...NOTHING, params: { [input.key]: input.value } });
        return {};
      },
    }),
    mlflowRoute({
      name: 'runs.set-tag',
      major: 2,
      method: 'POST',
      path: 'runs/set-tag',
      permission: 'tracking:write',
      audit: 'tracking-run.log',
      input: { run_id: runId(), key: key(), value: wire.string(RUN_TAG_MAX).default('') },
      async handler(input, ctx) {
        await service.batch(ctx, input.run_id, { ...NOTHING, tags: { [input.key]: input.value } });
        return {};
      },
    }),
  ];
}

function others(service: LogService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'runs.delete-tag',
      major: 2,
      method: 'POST',
      path: 'runs/delete-tag',
      permission: 'tracking:write',
      audit: 'tracking-run.delete-tag',
      input: { run_id: runId(), key: key() },
      async handler(input, ctx) {
        await service.deleteTag(ctx, input.run_id, input.key);
        return {};
      },
    }),
    mlflowRoute({
      name: 'runs.log-model',
      major: 2,
      method: 'POST',
      path: 'runs/log-model',
      permission: 'tracking:write',
      audit: 'tracking-run.log',
      input: { run_id: runId(), model_json: wire.required(100_000) },
      async handler(input, ctx) {
        const model = modelOf(input.model_json);
        await service.changeTag(ctx, input.run_id, { key: HISTORY_TAG, change: (before) => extended(before, model) });
        return {};
      },
    }),
  ];
}

const MODEL_FIELDS = ['artifact_path', 'flavors', 'utc_time_created', 'run_id'] as const;

/** What MLflow keeps of a model that was logged to a run. */
function modelOf(json: string): Record<string, unknown> {
  let model: unknown;
  try {
    model = JSON.parse(json);
  } catch (error) {
    throw mlflowErrors.INVALID_PARAMETER_VALUE(`Malformed model info. \n ${json.slice(0, 500)} \n: ${error}`);
  }
  const fields = (typeof model === 'object' && model !== null ? model : {}) as Record<string, unknown>;
  const missing = MODEL_FIELDS.filter((field) => !Object.hasOwn(fields, field));
  if (missing.length === 0) return fields;
  throw mlflowErrors.INVALID_PARAMETER_VALUE(`Model json is missing mandatory fields: ${missing.join(', ')}`);
}

function extended(before: string | undefined, model: Record<string, unknown>): string {
  const models = before === undefined ? [] : (JSON.parse(before) as unknown[]);
  const text = JSON.stringify([...models, model]);
  if (text.length <= RUN_TAG_MAX) return text;
  throw mlflowErrors.INVALID_PARAMETER_VALUE(`The tag '${HISTORY_TAG}' would exceed ${RUN_TAG_MAX} characters`);
}
