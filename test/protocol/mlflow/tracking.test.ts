import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PreloadedClient } from './preloaded-client.ts';
import { mlflowClients, startServer } from './tracking-server.ts';

const SCRIPTS = ['tracking', 'search', 'models', 'workspaces', 'traces', 'evaluation'] as const;
/** MLflow has workspaces since 3.10. */
const WITHOUT_WORKSPACES = /^mlflow-(?:2|3\.[0-9])(?:\.|$)/;
/** Evaluation data sets and scorers came with MLflow 3. */
const WITHOUT_EVALUATION = /^mlflow-2\./;
const CLIENTS = mlflowClients();
const WITHIN_MS = 240_000;

const skip = CLIENTS.length === 0 && 'KEDGE_TEST_MLFLOW names no folder made by tools/ci/mlflow.sh';
test('unmodified MLflow clients are there to be tested', { skip }, () => {
  assert.ok(CLIENTS.length > 0);
});

for (const { version, python } of CLIENTS) {
  const client = new PreloadedClient(python);
  after(() => client.close());
  for (const script of SCRIPTS) {
    if (script === 'workspaces' && WITHOUT_WORKSPACES.test(version)) continue;
    if (script === 'evaluation' && WITHOUT_EVALUATION.test(version)) continue;
    test(`the unmodified client of ${version} runs ${script}.py`, { timeout: WITHIN_MS }, async (t) => {
      const server = await startServer();
      t.after(() => server.stop());
      const path = fileURLToPath(new URL(`clients/${script}.py`, import.meta.url));
      // A retry would hide an answer that should not have been an error, or wait for minutes on one.
      const env = { MLFLOW_HTTP_REQUEST_MAX_RETRIES: '0' };
      const stdout = await client.run(path, [server.url], { env, withinMs: WITHIN_MS });
      assert.match(stdout, new RegExp(`passed \\w+ with ${version.slice('mlflow-'.length)}`));
    });
  }
}
