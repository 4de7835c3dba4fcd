import assert from 'node:assert/strict';
import { span, traceIdOf } from './trace-requests.ts';

/** Asks as somebody in a project, and answers what was replied. */
export type Asking = (ask: {
  readonly method: string;
  readonly path: string;
  readonly json?: unknown;
  readonly bytes?: string;
  readonly headers?: Readonly<Record<string, string>>;
}) => Promise<{ readonly status: number; readonly text: string }>;

/** One of everything that belongs to a project, by the names that addresses have for them. */
export interface Objects {
  readonly experiment: string;
  readonly experimentName: string;
  readonly run: string;
  readonly loggedModel: string;
  readonly model: string;
  /** The folder of the run's files, as the artifact proxy names it. */
  readonly folder: string;
  readonly upload: string;
  /** The name of the model with its project, as gates and approvals have it. */
  readonly modelKey: string;
  /** A request that the version be approved. */
  readonly request: string;
  readonly trace: string;
  readonly assessment: string;
  readonly issue: string;
  /** An evaluation data set that belongs to the experiment, which has a scorer named `s` too. */
  readonly dataset: string;
}

/** What the file of the model says. */
export const MLMODEL = 'flavors:\n  python_function:\n    loader_module: a\n';

/** Makes one of everything, named after `name`, in the project that `ask` asks in. */
export async function makeObjects(ask: Asking, name: string, project = 'default'): Promise<Objects> {
  const mlflow = async (path: string, json: unknown): Promise<Record<string, Record<string, unknown>>> => {
    const { status, text } = await ask({ method: 'POST', path: `/api/2.0/mlflow/${path}`, json });
    assert.equal(status, 200, `${path}: ${text}`);
    return JSON.parse(text);
  };
  const { experiment_id } = await mlflow('experiments/create', { name, tags: [{ key: 't', value: '1' }] });
  const experiment = String(experiment_id);
  const made = await mlflow('runs/create', {
    experiment_id: experiment,
    run_name: name,
    tags: [{ key: 't', value: '1' }],
  });
  const run = idIn(made, 'run');
  const metrics = [{ key: 'm', value: 1, timestamp: 1, step: 0 }];
  await mlflow('runs/log-batch', { run_id: run, metrics, params: [{ key: 'p', value: '1' }] });
  const folder = `${experiment}/${run}/artifacts`;
  for (const [path, bytes] of [
    ['model/MLmodel', MLMODEL],
    ['other.txt', 'other'],
  ] as const) {
    const file = { method: 'PUT', path: `/api/2.0/mlflow-artifacts/artifacts/${folder}/${path}`, bytes };
    assert.equal((await ask(file)).status, 200);
  }
  const logged = await mlflow('logged-models', { experiment_id: experiment, tags: [{ key: 't', value: '1' }] });
  const loggedModel = idIn(logged, 'model');
  await mlflow('registered-models/create', { name, tags: [{ key: 't', value: '1' }] });
  const tags = [{ key: 't', value: '1' }];
  await mlflow('model-versions/create', { name, source: `runs:/${run}/model`, run_id: run, tags });
  await mlflow('registered-models/alias', { name, alias: 'a', version: '1' });
  const posted = async (path: string, json: unknown, id: string): Promise<string> => {
    const { status, text } = await ask({ method: 'POST', path, json });
    assert.equal(status, 200, text);
    return String((JSON.parse(text) as Record<string, unknown>)[id]);
  };
  const parts = `/api/2.0/mlflow-artifacts/mpu/create/${folder}/parts`;
  const upload = await posted(parts, { path: 'big.bin', num_parts: 1 }, 'upload_id');
  const modelKey = project === 'default' ? name : `${project}/${name}`;
  const approval = { model: modelKey, version: 1, transition: 'alias', target: 'b' };
  const request = await posted('/api/v1/approval-requests', approval, 'id');
  const traced = await makeTrace(ask, experiment);
  const of = { experiment, experimentName: name, run, loggedModel, ...traced };
  return { ...of, model: name, folder, upload, modelKey, request };
}

/** A trace of one span, with a tag and something that is said of it, and what such traces are evaluated with. */
async function makeTrace(
  ask: Asking,
  experiment: string,
): Promise<Pick<Objects, 'trace' | 'assessment' | 'issue' | 'dataset'>> {
  const trace = traceIdOf(experiment);
  const spans = { resourceSpans: [{ scopeSpans: [{ spans: [span(trace.slice('tr-'.length))] }] }] };
  const headers = { 'x-mlflow-experiment-id': experiment, 'content-type': 'application/json' };
  const sent = await ask({ method: 'POST', path: '/v1/traces', json: spans, headers });
  assert.deepEqual([sent.status, sent.text], [200, '{}']);
  const path = `/api/3.0/mlflow/traces/${trace}`;
  const tagged = await ask({ method: 'PATCH', path: `${path}/tags`, json: { key: 't', value: '1' } });
  assert.equal(tagged.status, 200, tagged.text);
  const said = { assessment: { assessment_name: 'good', feedback: { value: true } } };
  const { status, text } = await ask({ method: 'POST', path: `${path}/assessments`, json: said });
  assert.equal(status, 200, text);
  const { assessment } = JSON.parse(text) as { assessment: { assessment_id: string } };
  const [issue, dataset] = [await makeIssue(ask, experiment), await makeDataset(ask, experiment)];
  return { trace, assessment: assessment.assessment_id, issue, dataset };
}

async function makeIssue(ask: Asking, experiment_id: string): Promise<string> {
  const json = { experiment_id, name: 'slow', description: 'too slow' };
  const { status, text } = await ask({ method: 'POST', path: '/api/3.0/mlflow/issues', json });
  assert.equal(status, 200, text);
  return (JSON.parse(text) as { issue: { issue_id: string } }).issue.issue_id;
}

async function makeDataset(ask: Asking, experiment_id: string): Promise<string> {
  const root = '/api/3.0/mlflow';
  const scorer = { experiment_id, name: 's', serialized_scorer: '{}' };
  assert.equal((await ask({ method: 'POST', path: `${root}/scorers/register`, json: scorer })).status, 200);
  const json = { name: 'questions', experiment_ids: [experiment_id], tags: '{"t":"1"}' };
  const { status, text } = await ask({ method: 'POST', path: `${root}/datasets/create`, json });
  assert.equal(status, 200, text);
  return (JSON.parse(text) as { dataset: { dataset_id: string } }).dataset.dataset_id;
}

/** The id in an answer such as `{"run": {"info": {"run_id": …}}}`. */
function idIn(answer: Readonly<Record<string, Record<string, unknown>>>, kind: 'run' | 'model'): string {
  const info = answer[kind]?.['info'] as Record<string, unknown> | undefined;
  return String(info?.[`${kind}_id`] ?? assert.fail(`the answer names no ${kind}`));
}
