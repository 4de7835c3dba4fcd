import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ArtifactServer } from './artifacts-server.ts';
import { STORES } from './artifacts-stores.ts';
import { mlflowClients } from './tracking-server.ts';

const CLIENTS = mlflowClients();
const SCRIPT = fileURLToPath(new URL('artifacts-client.py', import.meta.url));
const LARGE_MB = 200;
const GROWTH_BYTES_MAX = 64 * 1_000_000;
/** What is sent to S3 in parts is in memory part by part. */
const GROWTH_BYTES_MAX_PARTS = 150 * 1_000_000;
const WITHIN_MS = 240_000;

const skip = CLIENTS.length === 0 && 'KEDGE_TEST_MLFLOW names no folder made by tools/ci/mlflow.sh';
test('unmodified MLflow clients are there to move files', { skip }, () => assert.ok(CLIENTS.length > 0));

/** Every client on what is embedded, the newest of them on the servers too. */
const CASES = STORES.flatMap((stores, i) => (i === 0 ? CLIENTS : CLIENTS.slice(-1)).map((of) => ({ ...of, stores })));

for (const { version, python, stores } of CASES) {
  const name = `the client of ${version} stores, lists, reads and deletes files, ${LARGE_MB} MB in little memory`;
  test(`${name}, on ${stores.name}`, { timeout: WITHIN_MS, skip: stores.skip }, async (t) => {
    const server = await ArtifactServer.open(await stores.make(t));
    t.after(() => server.close());
    // A retry would hide an answer that should not have been an error.
    const env = { ...process.env, MLFLOW_HTTP_REQUEST_MAX_RETRIES: '0', MLFLOW_DISABLE_TELEMETRY: 'true' };
    const child = spawn(python, [SCRIPT, server.url, String(LARGE_MB)], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    t.after(() => void child.kill('SIGKILL'));
    const errors: Buffer[] = [];
    child.stderr.on('data', (chunk) => errors.push(chunk));
    let before = 0;
    let peak = 0;
    const watch = setInterval(() => {
      if (before > 0) peak = Math.max(peak, server.rssBytes());
    }, 10);
    t.after(() => clearInterval(watch));
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    let last = '';
    for await (const line of createInterface(child.stdout)) {
      if (line === 'large' && existsSync('/proc/self/status')) before = server.rssBytes();
      if (line === 'large done') clearInterval(watch);
      last = line;
    }
    assert.equal(await ended, 0, Buffer.concat(errors).toString('utf8').slice(-4_000));
    assert.equal(last.startsWith(`passed artifacts with ${version.slice('mlflow-'.length)}`), true, last);
    await server.end('SIGTERM');
    const uploads = await server.withStores(({ db }) =>
      db.reader.selectFrom('tracking_upload').select(['parts', 'completed_at']).execute(),
    );
    assert.deepEqual(
      uploads.map((upload) => [upload['parts'], upload['completed_at'] !== null]),
      [[4, true]],
      'the client sent no file in parts',
    );
    const grown = Math.max(0, peak - before);
    const growthMax = stores === STORES[0] ? GROWTH_BYTES_MAX : GROWTH_BYTES_MAX_PARTS;
    assert.ok(grown <= growthMax, `${LARGE_MB} MB up and down took ${grown} bytes of memory`);
    t.diagnostic(`${LARGE_MB} MB up and down: resident memory grew by ${Math.round(grown / 1e6)} MB`);
  });
}
