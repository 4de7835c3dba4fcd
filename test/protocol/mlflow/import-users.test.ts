import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from '#client';
import { kedge, serveControlPlane } from '../../../src/apps/cli/testing.ts';
import { startStockServer } from './stock-server.ts';
import { type MlflowClient, mlflowClients } from './tracking-server.ts';

/** One with roles, whose server can have users: that needs Flask-WTF, which MLflow brings along only if asked to. */
function clientWithUsers(): MlflowClient | undefined {
  return mlflowClients().find(({ version, python }) => {
    if (!version.startsWith('mlflow-3.17')) return false;
    return spawnSync(python, ['-c', 'import flask_wtf']).status === 0;
  });
}

const CLIENT = clientWithUsers();
const skip = CLIENT === undefined && 'no MLflow 3.17 with Flask-WTF in the folder that KEDGE_TEST_MLFLOW names';
const ADMIN_PASSWORD = 'twelve-characters-and-more';

/** Asks as a user, and fails unless the server did as it was told. */
function askingAs(url: string, credentials: string) {
  const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
  const headers = { authorization, 'content-type': 'application/json' };
  return async (path: string, body: object): Promise<Record<string, unknown>> => {
    const reply = await fetch(`${url}/api/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    const text = await reply.text();
    assert.equal(reply.status, 200, `${path}: ${text}`);
    return text === '' ? {} : JSON.parse(text);
  };
}

/** Ann owns an experiment and a model, Bob reads the one by his own permission and may edit all models by a role. */
async function fill(url: string): Promise<void> {
  const admin = askingAs(url, `admin:${ADMIN_PASSWORD}`);
  for (const username of ['Ann', 'bob']) {
    await admin('2.0/mlflow/users/create', { username, password: `password of ${username}` });
  }
  const grant = (username: string, resource_type: string, resource_id: unknown, permission: string) =>
    admin('3.0/mlflow/users/permissions/grant', { username, resource_type, resource_id, permission });
  const { experiment_id: rides } = await admin('2.0/mlflow/experiments/create', { name: 'rides' });
  await admin('2.0/mlflow/registered-models/create', { name: 'ride-model' });
  await grant('Ann', 'experiment', rides, 'MANAGE');
  await grant('Ann', 'registered_model', 'ride-model', 'EDIT');
  await grant('bob', 'experiment', rides, 'READ');
  const { role } = await admin('3.0/mlflow/roles/create', { workspace: 'default', name: 'modellers' });
  const role_id = (role as { id: number }).id;
  const permission = { role_id, resource_type: 'registered_model', resource_pattern: '*', permission: 'EDIT' };
  await admin('3.0/mlflow/roles/permissions/add', permission);
  await admin('3.0/mlflow/roles/assign', { username: 'bob', role_id });
}

test('users of a stock server are brought in with what they hold there, once', {
  skip,
  timeout: 600_000,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-import-users-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  const stock = await startStockServer(t, CLIENT?.python ?? '', { folder, adminPassword: ADMIN_PASSWORD });
  await fill(stock.url);
  const here = await serveControlPlane();
  t.after(async () => {
    await here.plane.stop();
    await rm(here.folder, { recursive: true, maxRetries: 5 });
  });
  const bring = async (credentials: string) => {
    const file = join(folder, 'credentials');
    await writeFile(file, credentials, { mode: 0o600 });
    const from = ['import', 'mlflow', stock.url, '--users', '--source-credentials', file];
    const { code, stdout, stderr } = await kedge([...from, '--url', here.url, '--token', here.token, '--json']);
    return { code, told: `${stdout}${stderr}`, report: code === 0 ? JSON.parse(stdout) : undefined };
  };

  const { code, told, report } = await bring(`admin:${ADMIN_PASSWORD}`);
  assert.equal(code, 0, told);
  assert.deepEqual([report.failures, report.users.found, report.users.made], [[], 3, 2]);
  const client = connect({ url: here.url, token: here.token });
  const rides = (await client.tracking.listExperiments({ query: { name: 'rides' } })).items[0];
  const levelsOn = async (object: string) => {
    const { items } = await client.session.listGrants({ params: { project: 'default' }, query: { object } });
    return items.map(({ principal, level }) => `${principal} ${level}`).filter((one) => /user:(ann|bob) /.test(one));
  };
  assert.deepEqual((await levelsOn(`experiment/${rides?.id}`)).sort(), ['user:ann MANAGE', 'user:bob READ']);
  assert.deepEqual(await levelsOn('model/ride-model'), ['user:ann EDIT']);
  for (const left of ["EDIT on registered_model '*' stays behind", "user 'admin' stays behind"]) {
    assert.ok(
      report.notes.some((note: string) => note.includes(left)),
      left,
    );
  }

  const again = await bring(`admin:${ADMIN_PASSWORD}`);
  assert.deepEqual([again.report.users.made, again.report.grants.made, again.report.failures], [0, 0, []]);

  const refused = await bring('bob:wrong');
  assert.equal(refused.code === 0, false);
  assert.match(refused.told, /--source-credentials/);
});
