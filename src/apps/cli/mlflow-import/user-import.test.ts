import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect } from '#client';
import { kedge, serveControlPlane } from '../testing.ts';
import { grantOf } from './user-import.ts';

/** What `GET users/list` of MLflow 3.17 answers an administrator. */
const permission = (permission: string, resource_type: string, resource_pattern: string) => ({
  ...{ id: 1, role_id: 1 },
  ...{ permission, resource_type, resource_pattern },
});
const USERS = [
  {
    ...{ id: 1, username: 'admin2', is_admin: true },
    roles: [
      { id: 1, name: '__user_1__', workspace: 'default', permissions: [permission('MANAGE', 'experiment', '7')] },
    ],
  },
  {
    ...{ id: 2, username: 'Bob.X', is_admin: false },
    roles: [
      { id: 2, name: '__user_2__', workspace: 'default', permissions: [permission('READ', 'experiment', '7')] },
      { id: 3, name: 'team', workspace: 'default', permissions: [permission('EDIT', 'experiment', '7')] },
      { id: 4, name: 'all', workspace: 'default', permissions: [permission('READ', 'registered_model', '*')] },
    ],
  },
  { id: 3, username: 'not a name', is_admin: false, roles: [] },
  { id: 4, username: 'admin', is_admin: true, roles: [] },
];

test('a permission is the grant of that level, unless it names more than one object or is denied', () => {
  const experiments = new Map([['7', '1']]);
  const among = [
    { resource_type: 'experiment', resource_pattern: '8', permission: 'DENY' },
    { resource_type: 'registered_model', resource_pattern: 'risk-*', permission: 'NO_PERMISSIONS' },
  ];
  const of = (permission: string, resource_type: string, resource_pattern: string) =>
    grantOf(
      { permission, resource_type, resource_pattern },
      { experiments: new Map([...experiments, ['8', '2']]), among },
    );
  assert.deepEqual(of('USE', 'experiment', '7'), { object: 'experiment/1', level: 'USE' });
  assert.deepEqual(of('EDIT', 'registered_model', 'm'), { object: 'model/m', level: 'EDIT' });
  for (const [told, level, type, pattern] of [
    [/denied there/, 'READ', 'experiment', '8'],
    [/denied there/, 'MANAGE', 'registered_model', 'risk-a'],
    [/nothing is denied/, 'DENY', 'experiment', '7'],
    [/not brought in/, 'READ', 'experiment', '9'],
    [/on the project/, 'READ', 'experiment', '*'],
    [/no such object/, 'READ', 'workspace', 'default'],
  ] as const) {
    assert.match(String(of(level, type, pattern)), told);
  }
});

/** Answers as MLflow does whose basic authentication let an administrator in. */
async function serveMlflow(t: TestContext): Promise<string> {
  const answers: Readonly<Record<string, object>> = {
    '/api/2.0/mlflow/experiments/search': { experiments: [{ experiment_id: '7', name: 'rides', creation_time: 1 }] },
    '/api/2.0/mlflow/runs/search': {},
    '/api/2.0/mlflow/registered-models/search': {},
    '/api/2.0/mlflow/users/list': { users: USERS },
  };
  const server = createServer((request, response) => {
    const answer = answers[(request.url ?? '').split('?')[0] ?? ''];
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function serveKedge(t: TestContext) {
  const { folder, plane, url, token } = await serveControlPlane();
  t.after(async () => {
    await plane.stop();
    await rm(folder, { recursive: true, maxRetries: 5 });
  });
  return { url, token };
}

test('users come without passwords and with what they hold, once, and a dry run only tells it', async (t) => {
  const source = await serveMlflow(t);
  const { url, token } = await serveKedge(t);
  const client = connect({ url, token });
  const bring = async (...options: readonly string[]) => {
    const { stdout } = await kedge(['import', 'mlflow', source, '--url', url, '--token', token, '--json', ...options]);
    return JSON.parse(stdout);
  };
  const names = async () => (await client.accounts.listUsers({})).items.map(({ name }) => name);
  const before = await names();

  const planned = await bring('--users', '--dry-run');
  assert.deepEqual([planned.users, planned.grants.made, await names()], [{ found: 4, made: 2 }, 3, before]);
  const done = await bring('--users');
  assert.deepEqual(
    [done.users, done.grants],
    [
      { found: 4, made: 2 },
      { found: 4, made: 3 },
    ],
  );
  const made = (await client.accounts.listUsers({})).items.filter(({ name }) => !before.includes(name));
  assert.deepEqual(
    made.map(({ name, roles, hasPassword }) => [name, roles, hasPassword]),
    [
      ['admin2', [], false],
      ['bob.x', [], false],
    ],
  );
  const rides = (await client.tracking.listExperiments({ query: { name: 'rides' } })).items[0];
  const grants = await client.session.listGrants({
    params: { project: 'default' },
    query: { object: `experiment/${rides?.id}` },
  });
  assert.deepEqual(
    grants.items
      .map(({ principal, level }) => `${principal} ${level}`)
      .filter((one) => /admin2|bob/.test(one))
      .sort(),
    ['user:admin2 MANAGE', 'user:bob.x EDIT'],
  );
  assert.deepEqual(
    done.failures.map(({ what }: { what: string }) => what),
    ["user 'not a name'"],
  );
  for (const told of [
    /'admin' stays behind/,
    /'bob\.x' has no password/,
    /'admin2' is an administrator there/,
    /'\*' stays behind/,
  ]) {
    assert.ok(
      done.notes.some((note: string) => told.test(note)),
      String(told),
    );
  }

  const again = await bring('--users');
  assert.deepEqual(
    [again.users, again.grants],
    [
      { found: 4, made: 0 },
      { found: 4, made: 0 },
    ],
  );
});
