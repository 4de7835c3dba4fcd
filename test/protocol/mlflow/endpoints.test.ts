import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openPeopledPlane, type PeopledPlane } from '../../routes/reach/people.ts';
import { mlflowClients } from './tracking-server.ts';

const SCRIPT = fileURLToPath(new URL('clients/endpoints.py', import.meta.url));
const WITHIN_MS = 120_000;

/** What Kedge leaves out, by the beginning of the path below `/api/<major>.0/mlflow`, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  '/gateway/': 'the gateway of language models is no part of Kedge',
  '/prompt-optimization/': 'needs a language model',
  '/label-schemas/': 'the queues in which people label are pages of MLflow',
  '/review-queues/': 'the queues in which people label are pages of MLflow',
  '/scorers/online-config': 'no scorer is run here',
  '/artifacts/presigned-': 'clients send through the proxy, or write to the store themselves',
  '/get-online-trace-details': 'of Databricks alone',
  '/unified-traces': 'of Databricks alone',
  '/jobs/': 'jobs that MLflow’s pages start in its own server',
  '/demo/': 'data that MLflow’s pages show',
  '/genai/evaluate/invoke': 'no scorer is run here',
  '/issues/invoke': 'needs a language model',
  '/scorer/invoke': 'no scorer is run here',
};
/** Paths of MLflow's that are not below that prefix. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  '/graphql': 'for MLflow’s own pages',
  '/api/2.0/mlflow-artifacts/presigned/': 'answered as not found, upon which clients download through the proxy',
};

const newest = mlflowClients().at(-1);
const skip = !newest && 'KEDGE_TEST_MLFLOW names no folder made by tools/ci/mlflow.sh';

describe('every endpoint of MLflow’s newest server', { skip }, () => {
  let world: PeopledPlane;
  before(async () => {
    world = await openPeopledPlane();
  });
  after(() => world.close());

  test('is served, or is one that is left out for a reason', { timeout: WITHIN_MS }, async () => {
    const env = { ...process.env, MLFLOW_DISABLE_TELEMETRY: 'true' };
    const { stdout } = await promisify(execFile)(newest?.python ?? '', [SCRIPT], { env, timeout: WITHIN_MS });
    const endpoints = stdout.trim().split('\n').map(normal);
    assert.ok(endpoints.length > 200, stdout);
    const served = new Set(world.plane.server.routes().map(({ method, path }) => normal(`${method} ${path}`)));
    const left = endpoints.filter((endpoint) => !served.has(endpoint) && reasonOf(endpoint) === undefined);
    assert.deepEqual(left, []);
    for (const start of [...Object.keys(LEFT_OUT), ...Object.keys(ELSEWHERE)]) {
      const isThere = endpoints.some((endpoint) => endpoint.includes(start) && !served.has(endpoint));
      assert.ok(isThere, `nothing is left out under ${start}`);
    }
  });
});

/** Names of parameters are nobody's business, and MLflow writes one path without the slash after the version. */
function normal(endpoint: string): string {
  return endpoint
    .replace(/\/:[a-z_]+/g, '/:_')
    .replace(/\/\*/g, '/:_')
    .replace('.0mlflow/', '.0/mlflow/');
}

function reasonOf(endpoint: string): string | undefined {
  const path = endpoint.slice(endpoint.indexOf(' ') + 1).replace('/ajax-api/', '/api/');
  const below = /^\/api\/[23]\.0\/mlflow(\/.*)$/.exec(path)?.[1];
  const [known, rest] = below === undefined ? [ELSEWHERE, path] : [LEFT_OUT, below];
  return Object.entries(known).find(([start]) => rest.startsWith(start))?.[1];
}
