import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { realSystem } from '#core/system';
import { loadConfig } from '#platform/config';
import type { ServedRoute } from '#platform/http';
import { createLogger, createMetrics } from '#platform/observe';
import { type OpenControlPlane, openControlPlane } from '../../src/apps/control-plane/control-plane.ts';
import { openDataDir } from '../../src/apps/data-dir.ts';

/** Parts of an upload go to these with a key of that upload instead of credentials, as MLflow's clients send them. */
const KEYED = ['/ajax-api', '/api'].flatMap((root) => {
  const parts = `${root}/2.0/mlflow-artifacts/mpu/part/:upload`;
  return [`PUT ${parts}/:part`, `GET ${parts}`];
});

/** Everything that lets in whoever asks. A route that is added here is a decision, and one that is not is closed. */
const PUBLIC = [
  'GET /*',
  'GET /ajax-api/3.0/mlflow/server-info',
  'GET /api/3.0/mlflow/server-info',
  'GET /api/v1/health',
  'GET /api/v1/openapi.json',
  'GET /api/v1/session/methods',
  'GET /api/v1/session/oidc',
  'GET /api/v1/session/oidc/callback',
  'GET /assets/*',
  'GET /health',
  'GET /version',
  'POST /api/v1/session',
  // A signature under the trigger's own secret lets it in.
  'POST /hooks/triggers/:trigger',
  ...KEYED,
];

let plane: OpenControlPlane;
let url = '';
let dir = '';
const keys = new Map<string, string>();

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kedge-access-'));
  const config = loadConfig({ dataDir: dir, port: 0, logLevel: 'fatal' }, {});
  const [logger, metrics] = [createLogger('test', config.logLevel), createMetrics('test')];
  const base = { role: 'test', config, system: realSystem(), logger, metrics, dataDir: openDataDir(dir) };
  plane = await openControlPlane(base);
  url = await plane.start();
  await people(plane);
});

after(async () => {
  await plane.stop();
  await rm(dir, { recursive: true, maxRetries: 5 });
});

/** Nobody in particular, a viewer, an editor, a manager of another project, a holder of one object in `default`. */
async function people({ accounts }: OpenControlPlane): Promise<void> {
  const ctx = { actor: { id: 'user:admin', roles: ['admin'] }, action: 'test.people' };
  const { users, projects } = accounts;
  for (const [name, roles] of Object.entries({
    nobody: [],
    viewer: ['viewer'],
    editor: ['editor'],
    approver: ['approver'],
    other: [],
    one: [],
  })) {
    await users.create(ctx, { name, roles });
    keys.set(name, (await users.createKey(ctx, name, { label: 'test' })).key);
  }
  await projects.create(ctx, { name: 'other', description: '' });
  await projects.grant(ctx, { principal: 'user:other', project: 'other' }, 'MANAGE');
  const object = 'experiment/never-made';
  await projects.grant(ctx, { principal: 'user:one', project: 'default', object }, 'MANAGE');
}

/** Every route but those that Fastify adds for HEAD, which go the same way. */
function routes(): ServedRoute[] {
  const served = plane.server.routes().filter(({ method }) => method !== 'HEAD' && method !== 'OPTIONS');
  assert.ok(served.length > 150, `${served.length} routes are served`);
  return served.filter(({ method }) => ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].includes(method));
}

const nameOf = ({ method, path }: ServedRoute) => `${method} ${path}`;
const closed = () => routes().filter(({ access }) => access !== 'public');
const keyed = () => routes().filter((route) => KEYED.includes(nameOf(route)));
const guarded = () => closed().filter(({ access }) => access !== 'signed-in');

async function statusOf(route: ServedRoute, headers: Record<string, string>): Promise<number> {
  const path = route.path.replace(/:[a-zA-Z]+/g, '1').replace('*', 'never/made');
  const response = await fetch(`${url}${path}`, { method: route.method, headers, redirect: 'manual' });
  await response.arrayBuffer();
  return response.status;
}

const as = (name: string, project?: string) => ({
  authorization: `Bearer ${keys.get(name)}`,
  ...(project === undefined ? {} : { 'x-mlflow-workspace': project }),
});

/** The routes that did not answer as they should, each with what it answered. */
async function wrong(
  asked: readonly ServedRoute[],
  headers: Record<string, string>,
  expected: readonly number[],
): Promise<string[]> {
  const found: string[] = [];
  for (const route of asked) {
    const status = await statusOf(route, headers);
    if (!expected.includes(status)) found.push(`${nameOf(route)} (${route.access}) answered ${status}`);
  }
  return found;
}

test('every route says which permission it needs, and those for everybody are known by name', () => {
  assert.deepEqual(
    routes()
      .filter(({ access }) => access === undefined)
      .map(nameOf),
    [],
  );
  const open = routes().filter(({ access }) => access === 'public');
  const expected = PUBLIC.filter((name) => !name.endsWith('*') || open.some((route) => nameOf(route) === name));
  assert.deepEqual([...new Set(open.map(nameOf))].sort(), expected.sort());
});

test('no route but those for everybody answers without credentials, or with wrong ones', async () => {
  assert.deepEqual(await wrong([...closed(), ...keyed()], {}, [401]), []);
  const forged = `kedge_${'0'.repeat(16)}_${'A'.repeat(43)}`;
  for (const authorization of [`Bearer ${forged}`, 'Bearer a.b.c', `Basic ${btoa('admin:')}`, 'Digest x']) {
    assert.deepEqual(await wrong(closed(), { authorization }, [401]), [], authorization);
  }
  assert.deepEqual(await wrong(closed(), { cookie: `kedge_session=${'A'.repeat(43)}` }, [401]), []);
});

test('whoever belongs to another project gets nowhere in this one, nor where no project counts', async () => {
  assert.deepEqual(await wrong(guarded(), as('other'), [403, 404]), []);
});

test('whoever belongs to this project gets nowhere in another one, by any route', async () => {
  assert.deepEqual(await wrong(closed(), as('editor', 'other'), [403, 404]), []);
  assert.deepEqual(await wrong(closed(), as('viewer', 'never-made'), [403, 404]), []);
});

test('in the own project one gets no further than its objects, not to serving or the audit log', async () => {
  const elsewhere = guarded().filter(({ access = '' }) => !/^(tracking|registry|artifacts|webhooks):/.test(access));
  assert.ok(elsewhere.length > 50);
  assert.deepEqual(await wrong(elsewhere, as('other', 'other'), [403]), []);
});

test('without a role nothing is read, a viewer changes nothing, and an editor does nothing that is more', async () => {
  const verb = ({ access = '' }: ServedRoute) => access.split(':')[1];
  assert.deepEqual(await wrong(guarded(), as('nobody'), [403]), []);
  assert.deepEqual(
    await wrong(
      guarded().filter((route) => verb(route) !== 'read'),
      as('viewer'),
      [403],
    ),
    [],
  );
  const more = guarded().filter((route) => !['read', 'write'].includes(verb(route) ?? ''));
  assert.ok(more.length > 10);
  assert.deepEqual(await wrong(more, as('editor'), [403]), []);
});

test('an approver reads and decides about approvals, and does nothing else by any route', async () => {
  const verb = ({ access = '' }: ServedRoute) => access.split(':')[1];
  const decides = guarded().filter(({ access }) => access === 'registry:approve');
  assert.ok(decides.length >= 4);
  // They get as far as what is sent does not fit, or is not there.
  assert.deepEqual(await wrong(decides, as('approver'), [400, 404, 415]), []);
  assert.deepEqual(await wrong(decides, as('editor'), [403]), []);
  const others = guarded().filter((route) => verb(route) !== 'read' && route.access !== 'registry:approve');
  assert.deepEqual(await wrong(others, as('approver'), [403]), []);
});

test('whoever holds one object changes nothing but that, by any route', async () => {
  const changing = guarded().filter(({ method, access = '' }) => method !== 'GET' && access.endsWith(':write'));
  assert.deepEqual(await wrong(changing, as('one'), [400, 403, 404, 415]), []);
});
