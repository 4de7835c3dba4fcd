import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { kedge } from '../../../src/apps/cli/testing.ts';
import { PreloadedClient } from './preloaded-client.ts';
import { startStockServer } from './stock-server.ts';
import { mlflowClients, startServer } from './tracking-server.ts';

const CLIENTS = mlflowClients();
const WITHIN_MS = 600_000;

const skip = CLIENTS.length === 0 && 'KEDGE_TEST_MLFLOW names no folder made by tools/ci/mlflow.sh';
test('stock MLflow servers are there to import from', { skip }, () => {
  assert.ok(CLIENTS.length > 0);
});

async function run(client: PreloadedClient, script: string, ...args: readonly string[]): Promise<string> {
  const path = fileURLToPath(new URL(`clients/${script}.py`, import.meta.url));
  // A stock server that has much to do cuts a connection now and then.
  const env = { MLFLOW_HTTP_REQUEST_MAX_RETRIES: '4' };
  return client.run(path, args, { env, withinMs: WITHIN_MS });
}

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'kedge-import-'));
  t.after(() => rm(path, { recursive: true, force: true, maxRetries: 10 }));
  return path;
}

/** Imports it twice into a control plane of its own, and has the client compare what both say. */
async function bringIn(
  t: TestContext,
  { source, client, prompts }: { readonly source: string; readonly client: PreloadedClient; readonly prompts: number },
): Promise<void> {
  const server = await startServer();
  t.after(() => server.stop());
  const bring = async (...options: readonly string[]) => {
    const args = ['import', 'mlflow', source, '--url', server.url, '--json', ...options];
    const { code, stdout, stderr } = await kedge(args, { HOME: '/nonexistent' });
    assert.equal(code, 0, `${stdout}${stderr}`);
    return JSON.parse(stdout);
  };
  const planned = await bring('--dry-run');
  assert.deepEqual(
    [planned.experiments.made, planned.runs.made, planned.traces.made, planned.versions.made],
    [2, 9, 6, 3 + prompts],
  );
  const done = await bring();
  assert.deepEqual(
    [done.experiments, done.runs.made, done.traces.made, done.spans, done.versions],
    [planned.experiments, 9, 6, 12, planned.versions],
  );
  assert.match(await run(client, 'import_compare', source, server.url), /compared \d+ with/);

  const again = await bring();
  assert.deepEqual(
    [again.experiments.made, again.runs, again.versions.made, again.points, again.files.sent],
    [0, { found: 9, made: 0, resumed: 0, same: 9 }, 0, 0, 0],
  );
  assert.equal(again.registeredModels.same, done.registeredModels.made);
  assert.equal(again.loggedModels.same, done.loggedModels.made);
  assert.deepEqual(again.traces, { found: 6, made: 0, resumed: 0, same: 6 });
  assert.deepEqual([again.spans, again.failures], [0, []]);
  assert.equal(again.webhooks.made, 0);
}

for (const { version, python } of CLIENTS) {
  const client = new PreloadedClient(python);
  after(() => client.close());

  test(`what a stock server of ${version} has is brought in whole, once`, { timeout: WITHIN_MS }, async (t) => {
    const stock = await startStockServer(t, python, { folder: await folder(t) });
    assert.match(await run(client, 'import_seed', stock.url), /seeded with/);
    await bringIn(t, { source: stock.url, client, prompts: version.startsWith('mlflow-2') ? 0 : 2 });
  });

  test(`a file store of ${version} is brought in whole, without a server`, { timeout: WITHIN_MS }, async (t) => {
    const store = join(await folder(t), 'mlruns');
    assert.match(await run(client, 'import_seed', `file:${store}`), /seeded with/);
    await bringIn(t, { source: `file:${store}`, client, prompts: 0 });
  });
}
