import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect } from '#client';
import { realSystem } from '#core/system';
import { loadConfig } from '#platform/config';
import { createLogger, createMetrics } from '#platform/observe';
import { type OpenControlPlane, openControlPlane } from '../../control-plane/control-plane.ts';
import { openDataDir } from '../../data-dir.ts';
import { kedge } from '../testing.ts';

let plane: OpenControlPlane;
let folder = '';
let url = '';
const tokens = new Map<string, string>();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-cli-experiments-'));
  const config = loadConfig({ dataDir: join(folder, 'data'), port: 0, logLevel: 'fatal' }, {});
  const [logger, metrics] = [createLogger('test', config.logLevel), createMetrics('test')];
  const dataDir = openDataDir(config.dataDir);
  plane = await openControlPlane({ role: 'test', config, system: realSystem(), logger, metrics, dataDir });
  url = await plane.start();
  const context = { actor: { id: 'user:admin', roles: ['admin'] }, action: 'test' };
  const { users, projects } = plane.accounts;
  for (const [name, roles] of Object.entries({ ada: ['editor'], rita: [] })) {
    await users.create(context, { name, roles });
    tokens.set(name, (await users.createKey(context, name, { label: 'test' })).key);
  }
  await projects.create(context, { name: 'risk', description: '' });
  await projects.grant(context, { principal: 'user:rita', project: 'risk' }, 'EDIT');
});

after(async () => {
  await plane.stop();
  await rm(folder, { recursive: true, maxRetries: 5 });
});

async function run(person: string, ...args: readonly string[]) {
  return kedge([...args, '--url', url, '--token', tokens.get(person) ?? '']);
}

const names = (stdout: string) => (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name);

test('experiments are created, listed, described, deleted and restored, by their id or their name', async () => {
  assert.match((await run('ada', 'experiments', 'create', 'delays')).stdout, /^experiment 1 is 'delays'\n$/);
  const client = connect({ url, token: tokens.get('ada') });
  await client.tracking.createTrackingRun({ body: { experiment: 'delays' } });
  const listed = (await run('ada', 'experiments')).stdout;
  assert.match(listed, /^ID +NAME +BY +CREATED\n1 +delays +user:ada +\d{4}-[^\n]+\n0 +Default/);
  assert.match((await run('ada', 'experiments', 'get', 'delays')).stdout, /^active runs +1$/m);
  assert.equal(JSON.parse((await run('ada', 'experiments', 'get', '1', '--json')).stdout).runs, 1);

  assert.match(
    (await run('ada', 'experiments', 'delete', 'delays')).stdout,
    /^experiment 1 \('delays'\) is deleted\n$/,
  );
  assert.deepEqual(names((await run('ada', 'experiments', 'list', '--json')).stdout), ['Default']);
  const deleted = await run('ada', 'experiments', 'list', '--lifecycle', 'deleted', '--json');
  assert.deepEqual(names(deleted.stdout), ['delays']);
  assert.match((await run('ada', 'experiments', 'restore', 'delays')).stdout, /is active\n$/);

  const absent = await run('ada', 'experiments', 'get', 'nowhere');
  assert.deepEqual([absent.code, /tracking\/experiment-not-found/.test(absent.stderr)], [1, true]);
  const wrong = await run('ada', 'experiments', 'list', '--lifecycle', 'gone');
  assert.deepEqual([wrong.code, wrong.stderr], [1, '--lifecycle gone: expected active or deleted\n']);
});

test('--project names the project, for experiments, models and approvals', async () => {
  const inRisk = (...args: readonly string[]) => run('rita', ...args, '--project', 'risk');
  assert.equal((await inRisk('experiments', 'create', 'fraud')).code, 0);
  assert.deepEqual(names((await inRisk('experiments', '--json')).stdout), ['fraud']);
  assert.doesNotMatch((await run('ada', 'experiments', '--json')).stdout, /fraud/);

  const { registry } = connect({ url, token: tokens.get('rita'), project: 'risk' });
  await registry.createModel({ body: { name: 'fraud' } });
  await registry.registerFromSource({ params: { model: 'fraud' }, body: { source: 's3://elsewhere/model' } });
  assert.deepEqual(names((await inRisk('models', '--json')).stdout), ['fraud']);
  assert.match((await inRisk('approvals', 'request', 'fraud@1', '--alias', 'champion')).stdout, /^requested /);
  assert.match((await inRisk('approvals')).stdout, /risk\/fraud@1/);
  assert.match((await inRisk('versions', 'check', 'fraud@1')).stdout, /no policy applies/);
  const closed = await run('ada', 'models', '--project', 'risk');
  assert.deepEqual([closed.code, /access\/not-a-member/.test(closed.stderr)], [1, true]);
});
