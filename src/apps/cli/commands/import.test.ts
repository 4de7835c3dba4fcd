import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect } from '#client';
import { compileCache } from '#testing/compile-cache';
import { kedge, serveControlPlane } from '../testing.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const EXPERIMENT = '869152369839874233';

async function serve(t: TestContext) {
  const { folder, plane, url, token } = await serveControlPlane();
  t.after(async () => {
    await plane.stop();
    await rm(folder, { recursive: true, maxRetries: 5 });
  });
  const address = ['--url', url, '--token', token];
  const bring = (...args: readonly string[]) => kedge(['import', 'mlflow', ...args, ...address]);
  return { folder, url, plane, address, bring, client: connect({ url, token }) };
}

/** A folder as MLflow's file store keeps it: an experiment whose runs each have params, tags, points and a file. */
async function makeStore(folder: string, runs: number): Promise<string> {
  const root = join(folder, 'mlruns');
  const put = async (path: string, text: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  const meta = (fields: Readonly<Record<string, unknown>>) =>
    Object.entries(fields)
      .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
      .join('');
  await put(`${EXPERIMENT}/meta.yaml`, meta({ name: 'rides', creation_time: 1_000, last_update_time: 2_000 }));
  for (let i = 0; i < runs; i++) {
    const of = `${EXPERIMENT}/run${i}`;
    const times = { start_time: 3_000 + i, end_time: 4_000 + i };
    await put(
      `${of}/meta.yaml`,
      meta({ run_name: `r${i}`, user_id: 'bob', status: 3, lifecycle_stage: 'active', ...times }),
    );
    await put(`${of}/params/deep/er`, String(i));
    await put(`${of}/tags/kind`, 'base');
    await put(
      `${of}/metrics/loss`,
      Array.from({ length: 50 }, (_, step) => `${5_000 + step} ${step / 2} ${step}\n`).join(''),
    );
    await put(`${of}/artifacts/model/MLmodel`, `flavors: {}\nrun: ${i}\n`);
  }
  await put('models/rides/meta.yaml', meta({ name: 'rides', creation_timestamp: 10, last_updated_timestamp: 20 }));
  await put('models/rides/aliases/champion', '1');
  const source = `file:///elsewhere/mlruns/${EXPERIMENT}/run0/artifacts/model`;
  const version = { version: 1, run_id: 'run0', source, creation_timestamp: 11, current_stage: 'Production' };
  await put('models/rides/version-1/meta.yaml', meta(version));
  return root;
}

test('a file store is brought in whole, again nothing is, and what is new since comes along', async (t) => {
  const { folder, bring, client } = await serve(t);
  const store = await makeStore(folder, 3);
  const planned = JSON.parse((await bring(store, '--dry-run', '--json')).stdout);
  assert.deepEqual(
    [planned.runs, planned.experiments],
    [
      { found: 3, made: 3, resumed: 0, same: 0 },
      { found: 1, made: 1 },
    ],
  );
  assert.deepEqual((await client.tracking.searchTrackingRuns({})).items, [], 'a dry run brings nothing');

  const { stdout, stderr, code } = await bring(store);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^runs: 3 found, 3 brought in, 0 gone on with, 0 here already$/m);
  assert.match(stdout, /^sent: 150 points of metrics, 0 spans, 3 files of \d+ B$/m);
  assert.match(stderr, /^experiment 'rides': 3 runs$/m);
  const run = await client.tracking.getTrackingRun({ params: { run: 'run2' } });
  assert.deepEqual([run.userId, run.startedAt, run.endedAt, run.params], ['bob', 3_002, 4_002, { 'deep/er': '2' }]);
  const champion = await client.registry.versionByAlias({ params: { model: 'rides', alias: 'champion' } });
  assert.deepEqual([champion.stage, champion.runId, champion.artifacts.length], ['Production', 'run0', 1]);

  const again = JSON.parse((await bring(store, '--json')).stdout);
  assert.deepEqual([again.runs.same, again.points, again.files.sent, again.registeredModels.same], [3, 0, 0, 1]);
  await appendFile(join(store, EXPERIMENT, 'run1/metrics/loss'), '9999 7 99\n');
  const grown = JSON.parse((await bring(store, '--json')).stdout);
  assert.deepEqual([grown.runs.resumed, grown.runs.same], [1, 2]);
  const { items } = await client.tracking.metricHistory({
    params: { run: 'run1' },
    query: { key: 'loss', limit: 100 },
  });
  assert.deepEqual([items.length, items.at(-1)], [51, { value: 7, step: 99, timestamp: 9_999 }]);
});

test('an import that is killed goes on where it was, and nothing is there twice', async (t) => {
  const { folder, bring, client, address } = await serve(t);
  const store = await makeStore(folder, 60);
  const args = [
    '--disable-warning=ExperimentalWarning',
    MAIN,
    'import',
    'mlflow',
    store,
    '--parallel',
    '2',
    ...address,
  ];
  const child = spawn(process.execPath, args, { stdio: 'ignore', env: compileCache });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const begun = async () => (await client.tracking.searchTrackingRuns({ query: { limit: 1_000 } })).items.length;
  while ((await begun()) < 10 && child.exitCode === null) await new Promise((resolve) => setImmediate(resolve));
  child.kill('SIGKILL');
  await ended;
  const before = await begun();

  const done = JSON.parse((await bring(store, '--json')).stdout);
  assert.equal(done.runs.made + done.runs.resumed + done.runs.same, 60);
  assert.equal(done.runs.made, 60 - before);
  assert.deepEqual(done.failures, []);
  for (let i = 0; i < 60; i++) {
    const params = { run: `run${i}` };
    const run = await client.tracking.getTrackingRun({ params });
    assert.deepEqual([run.status, run.params, run.tags], ['finished', { 'deep/er': String(i) }, { kind: 'base' }]);
    const { items } = await client.tracking.metricHistory({ params, query: { key: 'loss', limit: 1_000 } });
    assert.equal(items.length, 50);
    assert.equal((await client.tracking.listArtifacts({ params })).items.length, 1);
  }
});

test('what cannot be brought in is named, the rest comes, and the exit code tells', async (t) => {
  const { folder, bring, client } = await serve(t);
  const store = await makeStore(folder, 2);
  await writeFile(join(store, EXPERIMENT, 'run1/params/long'), 'x'.repeat(6_001));
  const { code, stdout } = await bring(store, '--experiment', 'rides', 'absent');
  assert.equal(code, 1);
  assert.match(stdout, /^FAILED run run1: body\.params\.long: .*6000/m);
  assert.match(stdout, /^FAILED experiment 'absent': the source has none$/m);
  assert.equal((await client.tracking.getTrackingRun({ params: { run: 'run0' } })).status, 'finished');
  assert.deepEqual((await client.registry.listModels({})).items, [], 'single experiments come without models');
});

/** Where nobody listens. */
async function closedAddress(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}`;
}

test('a source that is none, a server that is not there and a caller who may not are told in words', async (t) => {
  const { folder, bring, plane, url } = await serve(t);
  const refusal = async (...args: readonly string[]) => {
    const { code, stderr } = await bring(...args);
    assert.equal(code, 1, args.join(' '));
    assert.doesNotMatch(stderr, /\n\s+at /, stderr);
    return stderr;
  };
  assert.match(await refusal(join(folder, 'nowhere')), /is no folder/);
  assert.match(await refusal(folder), /is no file store of MLflow/);
  assert.match(await refusal(await closedAddress()), /failed 4 times: .*ECONNREFUSED/);
  assert.match(await refusal(folder, '--parallel', '0'), /expected a number from 1 to 32|no file store/);
  const context = { actor: { id: 'user:admin', roles: ['admin'] }, action: 'test' };
  await plane.accounts.users.create(context, { name: 'ada', roles: ['editor'] });
  const { key } = await plane.accounts.users.createKey(context, 'ada', { label: 'test' });
  const store = await makeStore(folder, 1);
  const { code, stdout } = await kedge(['import', 'mlflow', store, '--url', url, '--token', key]);
  assert.deepEqual([code, /lacks the permission tracking:import/.test(stdout)], [1, true], stdout);
});
