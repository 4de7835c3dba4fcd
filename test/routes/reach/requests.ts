import { hash } from 'node:crypto';
import { MLMODEL, type Objects } from './objects.ts';
import { evaluationRequests, traceRequests } from './trace-requests.ts';

/** How a route is asked so that it reaches an object, for somebody who may. */
export interface Ask {
  /** What stands in the path for its parameters, by name; `*` for the rest of the path. */
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly bytes?: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Asked before, by somebody who may, so that the request has something to act on. */
  readonly first?: readonly string[];
  /**
   * It names no object: `lists` answers what the caller may see, and `makes` makes something new in the project of the
   * request.
   */
  readonly kind?: 'lists' | 'makes';
  /** What is answered to those who may, where that is no success: the object is reached, and then does not fit. */
  readonly reached?: readonly number[];
}

const TAG = { key: 't', value: '2' };
const METRIC = { key: 'm', value: 2, timestamp: 2, step: 1 };

/** A request for every route whose objects belong to projects, by the name of the route. */
export function requestsFor(objects: Objects): Readonly<Record<string, Ask>> {
  return {
    ...experiments(objects),
    ...runs(objects),
    ...logging(objects),
    ...native(objects),
    ...others(objects),
    ...projectLog(),
  };
}

const M = '/api/2.0/mlflow';

function experiments({ experiment: experiment_id, experimentName: name }: Objects): Record<string, Ask> {
  return {
    [`POST ${M}/experiments/create`]: { json: { name: `${name}-new` }, kind: 'makes' },
    [`GET ${M}/experiments/get`]: { query: { experiment_id } },
    [`GET ${M}/experiments/get-by-name`]: { query: { experiment_name: name } },
    [`GET ${M}/experiments/search`]: { query: { max_results: '1000' }, kind: 'lists' },
    [`POST ${M}/experiments/search`]: { json: { max_results: 1000 }, kind: 'lists' },
    [`POST ${M}/experiments/search-datasets`]: { json: { experiment_ids: [experiment_id] }, kind: 'lists' },
    [`POST ${M}/experiments/update`]: { json: { experiment_id, new_name: `${name}-renamed` } },
    [`POST ${M}/experiments/delete`]: { json: { experiment_id } },
    [`POST ${M}/experiments/restore`]: { json: { experiment_id }, first: [`POST ${M}/experiments/delete`] },
    [`POST ${M}/experiments/set-experiment-tag`]: { json: { experiment_id, ...TAG } },
    [`POST ${M}/experiments/delete-experiment-tag`]: { json: { experiment_id, key: 't' } },
  };
}

function runs({ experiment: experiment_id, run: run_id, folder }: Objects): Record<string, Ask> {
  return {
    [`POST ${M}/runs/create`]: { json: { experiment_id } },
    [`GET ${M}/runs/get`]: { query: { run_id } },
    [`POST ${M}/runs/search`]: { json: { experiment_ids: [experiment_id] }, kind: 'lists' },
    [`POST ${M}/runs/update`]: { json: { run_id, status: 'FINISHED', end_time: 2 } },
    [`POST ${M}/runs/delete`]: { json: { run_id } },
    [`POST ${M}/runs/restore`]: { json: { run_id }, first: [`POST ${M}/runs/delete`] },
    [`GET ${M}/artifacts/list`]: { query: { run_id } },
    [`GET ${M}/metrics/get-history`]: { query: { run_id, metric_key: 'm' } },
    [`GET ${M}/metrics/get-history-bulk`]: { query: { run_id, metric_key: 'm' } },
    [`GET ${M}/metrics/get-history-bulk-interval`]: { query: { run_ids: run_id, metric_key: 'm' } },
    'GET /api/2.0/mlflow-artifacts/artifacts': { query: { path: folder } },
    'GET /api/2.0/mlflow-artifacts/artifacts/*': { params: { '*': `${folder}/model/MLmodel` } },
    'PUT /api/2.0/mlflow-artifacts/artifacts/*': { params: { '*': `${folder}/new.txt` }, bytes: 'new' },
    'DELETE /api/2.0/mlflow-artifacts/artifacts/*': { params: { '*': `${folder}/other.txt` } },
  };
}

function logging(objects: Objects): Record<string, Ask> {
  const { experiment: experiment_id, run: run_id, loggedModel: model_id, folder, upload: upload_id } = objects;
  const dataset = { name: 'd', digest: '1', source_type: 'local', source: 'x' };
  const model_json = JSON.stringify({ artifact_path: 'model', flavors: {}, utc_time_created: '1', run_id });
  const upload = { params: { '*': `${folder}/parts` } };
  const ofUpload = { path: 'big.bin', upload_id };
  const params = { model_id };
  return {
    [`POST ${M}/runs/log-batch`]: { json: { run_id, metrics: [METRIC], params: [{ key: 'q', value: '1' }] } },
    [`POST ${M}/runs/log-metric`]: { json: { run_id, ...METRIC } },
    [`POST ${M}/runs/log-parameter`]: { json: { run_id, key: 'q', value: '1' } },
    [`POST ${M}/runs/set-tag`]: { json: { run_id, ...TAG } },
    [`POST ${M}/runs/delete-tag`]: { json: { run_id, key: 't' } },
    [`POST ${M}/runs/log-model`]: { json: { run_id, model_json } },
    [`POST ${M}/runs/log-inputs`]: { json: { run_id, datasets: [{ dataset }] } },
    [`POST ${M}/runs/outputs`]: { json: { run_id, models: [{ model_id, step: 0 }] } },
    [`POST ${M}/logged-models`]: { json: { experiment_id } },
    [`POST ${M}/logged-models/search`]: { json: { experiment_ids: [experiment_id] }, kind: 'lists' },
    [`GET ${M}/logged-models/:model_id`]: { params },
    [`PATCH ${M}/logged-models/:model_id`]: { params, json: { status: 'LOGGED_MODEL_READY' } },
    [`DELETE ${M}/logged-models/:model_id`]: { params },
    [`PATCH ${M}/logged-models/:model_id/tags`]: { params, json: { tags: [TAG] } },
    [`DELETE ${M}/logged-models/:model_id/tags/:tag_key`]: { params: { ...params, tag_key: 't' } },
    [`GET ${M}/logged-models/:model_id/artifacts/directories`]: { params },
    [`POST ${M}/logged-models/:model_id/params`]: { params, json: { params: [{ key: 'p', value: '1' }] } },
    'POST /api/2.0/mlflow-artifacts/mpu/create/*': { ...upload, json: { path: 'big.bin', num_parts: 1 } },
    // The part was never sent, which only somebody who may complete the upload gets to hear.
    'POST /api/2.0/mlflow-artifacts/mpu/complete/*': { ...upload, json: { ...ofUpload, parts: [] }, reached: [400] },
    'POST /api/2.0/mlflow-artifacts/mpu/abort/*': { ...upload, json: ofUpload },
  };
}

const L = '/api/v1/project-log';

/** The log of the project that the request is in; so nobody is answered with that of another. */
function projectLog(): Record<string, Ask> {
  const first = [`GET ${L}/checkpoint`];
  return {
    [`GET ${L}/checkpoint`]: { kind: 'lists' },
    [`GET ${L}/log.vkey`]: { kind: 'lists' },
    [`GET ${L}/tile/*`]: { params: { '*': 'entries/000.p/1' }, kind: 'lists', first },
    // Only an entry that is too long for the log has its detail beside it.
    [`GET ${L}/detail/:seq`]: { params: { seq: '1' }, reached: [404] },
  };
}

const V = '/api/v1/models/:model/versions/:version';
const T = '/api/v1/tracking';

function native({ experiment, experimentName, run }: Objects): Record<string, Ask> {
  const [ofExperiment, ofRun] = [{ params: { experiment } }, { params: { run } }];
  return {
    [`POST ${T}/experiments`]: { json: { name: `${experimentName}-new` }, kind: 'makes' },
    [`GET ${T}/experiments`]: { query: { limit: '1000' }, kind: 'lists' },
    [`GET ${T}/experiments/:experiment`]: ofExperiment,
    [`GET ${T}/experiments/:experiment/runs`]: ofExperiment,
    [`GET ${T}/experiments/:experiment/run-count`]: ofExperiment,
    [`GET ${T}/experiments/:experiment/run-keys`]: ofExperiment,
    [`DELETE ${T}/experiments/:experiment`]: ofExperiment,
    [`POST ${T}/experiments/:experiment/restore`]: { ...ofExperiment, first: [`POST ${M}/experiments/delete`] },
    [`GET ${T}/runs`]: { query: { experiment: experimentName }, kind: 'lists' },
    // An experiment of this name is made where there is none, in the project of the request.
    [`POST ${T}/runs`]: { json: { experiment: experimentName }, kind: 'makes' },
    [`GET ${T}/runs/:run`]: ofRun,
    [`DELETE ${T}/runs/:run`]: ofRun,
    [`POST ${T}/runs/:run/restore`]: { ...ofRun, first: [`POST ${M}/runs/delete`] },
    [`POST ${T}/runs/:run/log`]: { ...ofRun, json: { params: { q: '1' } } },
    [`POST ${T}/runs/:run/finish`]: { ...ofRun, json: { status: 'finished' } },
    [`GET ${T}/runs/:run/metrics`]: { ...ofRun, query: { key: 'm' } },
    [`GET ${T}/runs/:run/series`]: { ...ofRun, query: { key: 'm' } },
    [`GET ${T}/runs/:run/lineage`]: ofRun,
    [`GET ${T}/runs/:run/artifacts`]: ofRun,
    [`GET ${T}/runs/:run/artifact`]: { ...ofRun, query: { path: 'model/MLmodel' } },
    [`PUT ${T}/runs/:run/artifacts`]: {
      ...ofRun,
      query: { path: 'a.txt' },
      bytes: 'a',
      type: 'application/octet-stream',
    },
  };
}

function others(objects: Objects): Record<string, Ask> {
  return {
    ...traceRequests(objects),
    ...evaluationRequests(objects),
    ...mlflowModels(objects),
    ...mlflowVersions(objects),
    ...models(objects),
    ...versions(objects),
    ...gates(objects),
  };
}

function mlflowModels({ model: name }: Objects): Record<string, Ask> {
  const alias = { name, alias: 'a' };
  return {
    [`POST ${M}/registered-models/create`]: { json: { name: `${name}-new` }, kind: 'makes' },
    [`GET ${M}/registered-models/get`]: { query: { name } },
    [`GET ${M}/registered-models/search`]: { query: { max_results: '1000' }, kind: 'lists' },
    [`GET ${M}/registered-models/get-latest-versions`]: { query: { name } },
    [`POST ${M}/registered-models/get-latest-versions`]: { json: { name } },
    [`PATCH ${M}/registered-models/update`]: { json: { name, description: 'd' } },
    [`POST ${M}/registered-models/rename`]: { json: { name, new_name: `${name}-renamed` } },
    [`DELETE ${M}/registered-models/delete`]: { json: { name } },
    [`POST ${M}/registered-models/set-tag`]: { json: { name, ...TAG } },
    [`DELETE ${M}/registered-models/delete-tag`]: { json: { name, key: 't' } },
    [`GET ${M}/registered-models/alias`]: { query: alias },
    [`POST ${M}/registered-models/alias`]: { json: { ...alias, alias: 'b', version: '1' } },
    [`DELETE ${M}/registered-models/alias`]: { json: alias },
  };
}

function mlflowVersions({ model: name, run: run_id }: Objects): Record<string, Ask> {
  const of = { name, version: '1' };
  return {
    [`POST ${M}/model-versions/create`]: { json: { name, source: `runs:/${run_id}/model`, run_id } },
    [`GET ${M}/model-versions/get`]: { query: of },
    [`GET ${M}/model-versions/get-download-uri`]: { query: of },
    [`GET ${M}/model-versions/search`]: { query: { max_results: '1000' }, kind: 'lists' },
    [`PATCH ${M}/model-versions/update`]: { json: { ...of, description: 'd' } },
    [`POST ${M}/model-versions/transition-stage`]: { json: { ...of, stage: 'Archived' } },
    [`POST ${M}/model-versions/set-tag`]: { json: { ...of, ...TAG } },
    [`DELETE ${M}/model-versions/delete-tag`]: { json: { ...of, key: 't' } },
    [`DELETE ${M}/model-versions/delete`]: { json: of },
  };
}

function models({ model }: Objects): Record<string, Ask> {
  const params = { model };
  const ofAlias = { params: { model, alias: 'a' } };
  return {
    'POST /api/v1/models': { json: { name: `${model}-new` }, kind: 'makes' },
    'GET /api/v1/models': { query: { limit: '1000' }, kind: 'lists' },
    'GET /api/v1/model-signers': { kind: 'lists' },
    'GET /api/v1/models/:model': { params },
    'PATCH /api/v1/models/:model': { params, json: { description: 'd' } },
    'DELETE /api/v1/models/:model': { params },
    'POST /api/v1/models/:model/rename': { params, json: { name: `${model}-renamed` } },
    'GET /api/v1/models/:model/history': { params },
    'GET /api/v1/models/:model/aliases/:alias': ofAlias,
    'GET /api/v1/models/:model/aliases/:alias/history': ofAlias,
    'PUT /api/v1/models/:model/aliases/:alias': { ...ofAlias, json: { version: 1, reason: 'r' } },
    'DELETE /api/v1/models/:model/aliases/:alias': { ...ofAlias, query: { reason: 'r' } },
  };
}

function versions({ model, run }: Objects): Record<string, Ask> {
  const params = { model, version: '1' };
  const signature = { inputs: [{ name: 'n', kind: 'numeric' }], output: 'probability' };
  const evidence = { kind: 'scan', passed: true, data: { summary: 's' } };
  const file = { path: 'MLmodel', digest: `sha256:${hash('sha256', MLMODEL)}`, bytes: MLMODEL.length };
  const draft = { artifacts: [file], signature, run };
  return {
    'POST /api/v1/models/:model/registrations': { params: { model }, json: { source: `runs:/${run}/model`, run } },
    'GET /api/v1/models/:model/versions': { params: { model } },
    // A model of this name is made where there is none, in the project of the request.
    'POST /api/v1/models/:model/versions': { params: { model }, json: draft, kind: 'makes' },
    [`GET ${V}`]: { params },
    [`PATCH ${V}`]: { params, json: { description: 'd' } },
    [`DELETE ${V}`]: { params: { ...params }, first: ['DELETE /api/v1/models/:model/aliases/:alias'] },
    [`GET ${V}/artifact`]: { params, query: { path: 'MLmodel' } },
    [`GET ${V}/bom`]: { params },
    [`GET ${V}/evidence`]: { params },
    [`POST ${V}/evidence`]: { params, json: evidence },
    [`GET ${V}/history`]: { params },
    [`GET ${V}/stages`]: { params },
    [`PUT ${V}/stage`]: { params, json: { stage: 'Archived', reason: 'r' } },
    [`GET ${V}/signatures`]: { params },
    [`GET ${V}/verification`]: { params },
    // It is no signature, which only somebody who may sign gets to hear.
    [`POST ${V}/signatures`]: { params, bytes: '{}', type: BUNDLE, reached: [400, 422] },
  };
}

function gates({ modelKey: model, request }: Objects): Record<string, Ask> {
  const asked = { model, version: 1, transition: 'alias', target: 'champion' };
  return {
    'GET /api/v1/gate-checklist': { query: { model, version: '1', transition: 'alias', target: 'champion' } },
    'GET /api/v1/gate-decisions': { query: { limit: '1000' }, kind: 'lists' },
    // Nothing was decided about these objects; whoever may see decisions hears that there is none.
    'GET /api/v1/gate-decisions/:decision': { params: { decision: 'never-made' }, reached: [404] },
    'GET /api/v1/gate-waivers': { query: { limit: '1000' }, kind: 'lists' },
    // The keys of approvers are known to everybody, or nobody could verify what they sign.
    'GET /api/v1/approver-keys': { kind: 'lists' },
    'GET /api/v1/approval-requests': { query: { limit: '1000' }, kind: 'lists' },
    'GET /api/v1/approval-requests/:request': { params: { request } },
    'POST /api/v1/approval-requests': { json: asked },
    'DELETE /api/v1/approval-requests/:request': { params: { request } },
  };
}

const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
