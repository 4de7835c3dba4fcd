import type { Objects } from './objects.ts';
import type { Ask } from './requests.ts';

const [M2, M3] = ['/api/2.0/mlflow', '/api/3.0/mlflow'];
const NANOS = '1700000000000000000';

/** A request for every route of traces. */
export function traceRequests(objects: Objects): Record<string, Ask> {
  const { experiment: experiment_id, run: run_id, trace: trace_id } = objects;
  const params = { trace_id };
  const trace_info = {
    trace_id: `${trace_id}-new`,
    trace_location: { type: 'MLFLOW_EXPERIMENT', mlflow_experiment: { experiment_id } },
    request_time: '2026-01-31T12:00:00Z',
  };
  const told = { timestamp_ms: 1, tags: [{ key: 't', value: '1' }] };
  return {
    [`POST ${M3}/traces`]: { json: { trace: { trace_info } } },
    [`GET ${M3}/traces/get`]: { query: { trace_id } },
    [`GET ${M3}/traces/batchGet`]: { query: { trace_ids: trace_id }, kind: 'lists' },
    [`POST ${M3}/traces/batchGetInfos`]: { json: { trace_ids: [trace_id] }, kind: 'lists' },
    [`GET ${M3}/traces/:trace_id`]: { params },
    [`POST ${M3}/traces/search`]: { json: { locations: [trace_info.trace_location] }, kind: 'lists' },
    [`POST ${M3}/traces/metrics`]: {
      json: {
        experiment_ids: [experiment_id],
        ...{ view_type: 'TRACES', metric_name: 'trace_count', aggregations: [{ aggregation_type: 'COUNT' }] },
      },
      kind: 'lists',
    },
    [`POST ${M3}/traces/calculate-filter-correlation`]: {
      json: { experiment_ids: [experiment_id], filter_string1: "name = 'a'", filter_string2: "name = 'b'" },
      kind: 'lists',
    },
    [`POST ${M2}/traces`]: { json: { experiment_id, ...told } },
    [`PATCH ${M2}/traces/:trace_id`]: { params, json: { ...told, status: 'OK' } },
    [`GET ${M2}/traces/:trace_id/info`]: { params },
    [`GET ${M2}/traces`]: { query: { experiment_ids: experiment_id }, kind: 'lists' },
    // Traces that are not there for the caller are passed over, so it is the run that is asked for.
    [`POST ${M2}/traces/link-to-run`]: { json: { trace_ids: [trace_id], run_id } },
    [`POST ${M2}/traces/link-prompts`]: { json: { trace_id, prompt_versions: [{ name: 'p', version: '1' }] } },
    ...changes(M2, objects),
    ...changes(M3, objects),
    ...assessments(objects),
    ...issueRequests(objects),
    'GET /api/v1/tracking/experiments/:experiment/traces': { params: { experiment: experiment_id } },
    'GET /api/v1/tracking/experiments/:experiment/trace-count': { params: { experiment: experiment_id } },
    'GET /api/v1/tracking/traces/:trace': { params: { trace: trace_id } },
    'GET /api/v1/tracking/traces/:trace/spans/:span': { params: { trace: trace_id, span: '1'.repeat(16) } },
    'POST /v1/traces': {
      headers: { 'x-mlflow-experiment-id': experiment_id },
      json: { resourceSpans: [{ scopeSpans: [{ spans: [span('1'.repeat(32))] }] }] },
    },
  };
}

function changes(root: string, { experiment: experiment_id, trace: trace_id }: Objects): Record<string, Ask> {
  const params = { trace_id };
  return {
    [`POST ${root}/traces/delete-traces`]: { json: { experiment_id, request_ids: [trace_id] } },
    [`PATCH ${root}/traces/:trace_id/tags`]: { params, json: { key: 't', value: '2' } },
    [`DELETE ${root}/traces/:trace_id/tags`]: { params, json: { key: 't' } },
  };
}

function assessments({ trace: trace_id, assessment: assessment_id }: Objects): Record<string, Ask> {
  const path = `${M3}/traces/:trace_id/assessments`;
  const [ofTrace, ofOne] = [{ params: { trace_id } }, { params: { trace_id, assessment_id } }];
  const feedback = { value: 1 };
  return {
    [`POST ${path}`]: { ...ofTrace, json: { assessment: { assessment_name: 'a', feedback } } },
    [`GET ${path}/:assessment_id`]: ofOne,
    [`PATCH ${path}/:assessment_id`]: { ...ofOne, json: { assessment: { feedback }, update_mask: 'feedback' } },
    [`DELETE ${path}/:assessment_id`]: ofOne,
  };
}

function issueRequests({ experiment: experiment_id, issue: issue_id }: Objects): Record<string, Ask> {
  const of = { params: { issue_id } };
  return {
    [`POST ${M3}/issues`]: { json: { experiment_id, name: 'new', description: 'd' } },
    [`POST ${M3}/issues/search`]: { json: { max_results: 1000 }, kind: 'lists' },
    [`GET ${M3}/issues/:issue_id`]: of,
    [`PATCH ${M3}/issues/:issue_id`]: { ...of, json: { status: 'resolved' } },
  };
}

/** A request for every route of evaluation data sets and scorers. */
export function evaluationRequests(objects: Objects): Record<string, Ask> {
  const { experiment: experiment_id, dataset: dataset_id, experimentName } = objects;
  const path = `${M3}/datasets/:dataset_id`;
  const of = { params: { dataset_id } };
  const experiments = { ...of, json: { experiment_ids: [experiment_id] } };
  const scorer = { experiment_id, name: 's' };
  const records = JSON.stringify([{ inputs: { q: 1 } }]);
  return {
    // In another project it belongs to no experiment, and is made there.
    [`POST ${M3}/datasets/create`]: { json: { name: `${experimentName}-new` }, kind: 'makes' },
    [`GET ${M3}/datasets/search`]: { query: { max_results: '1000' }, kind: 'lists' },
    [`POST ${M3}/datasets/search`]: { json: { max_results: 1000 }, kind: 'lists' },
    [`GET ${path}`]: of,
    [`DELETE ${path}`]: of,
    [`PATCH ${path}/tags`]: { ...of, json: { tags: '{"t":"2"}' } },
    [`DELETE ${path}/tags/:key`]: { params: { dataset_id, key: 't' } },
    [`GET ${path}/experiment-ids`]: of,
    [`POST ${path}/add-experiments`]: experiments,
    [`POST ${path}/remove-experiments`]: experiments,
    [`POST ${path}/records`]: { ...of, json: { records } },
    [`GET ${path}/records`]: of,
    [`DELETE ${path}/records`]: { ...of, json: { dataset_record_ids: ['never-made'] } },
    [`POST ${M3}/scorers/register`]: { json: { ...scorer, serialized_scorer: '{}' } },
    [`GET ${M3}/scorers/list`]: { query: { experiment_id }, kind: 'lists' },
    [`GET ${M3}/scorers/versions`]: { query: scorer },
    [`GET ${M3}/scorers/get`]: { query: scorer },
    [`GET ${M3}/scorers/online-configs`]: { query: { scorer_ids: 'any' }, kind: 'lists' },
    [`DELETE ${M3}/scorers/delete`]: { json: scorer },
  };
}

/** A span as exporters send it in JSON. */
export function span(traceId: string): object {
  const attributes = [{ key: 't', value: { stringValue: '1' } }];
  const times = { startTimeUnixNano: NANOS, endTimeUnixNano: NANOS };
  return { traceId, spanId: '1'.repeat(16), name: 'a', ...times, attributes };
}

/** The id of the trace that belongs to an experiment, which nobody else takes. */
export function traceIdOf(experiment: string): string {
  return `tr-${experiment.padStart(32, 'a')}`;
}
