import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { mlflowClients, startServer } from './tracking-server.ts';

/** MLflow's client has webhooks since 3.3. */
const CLIENTS = mlflowClients().filter(({ version }) => !version.startsWith('mlflow-2.'));
const SCRIPT = fileURLToPath(new URL('clients/webhooks.py', import.meta.url));
const WITHIN_MS = 180_000;

const skip = CLIENTS.length === 0 && 'KEDGE_TEST_MLFLOW names no folder made by tools/ci/mlflow.sh';
test('unmodified MLflow clients are there to test webhooks with', { skip }, () => {
  assert.ok(CLIENTS.length > 0);
});

for (const { version, python } of CLIENTS) {
  test(`the unmodified client of ${version} uses webhooks, and checks their signatures`, {
    timeout: WITHIN_MS,
  }, async (t) => {
    const server = await startServer({ KEDGE_NOTIFY_INSIDE: 'true' });
    t.after(() => server.stop());
    const env = { ...process.env, MLFLOW_DISABLE_TELEMETRY: 'true', MLFLOW_HTTP_REQUEST_MAX_RETRIES: '0' };
    const { stdout } = await promisify(execFile)(python, [SCRIPT, server.url], { env, timeout: WITHIN_MS });
    assert.match(stdout, new RegExp(`passed webhooks with ${version.slice('mlflow-'.length)}`));
  });
}
