import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Grants,
  LEVELS,
  type Level,
  mayUse,
  objectAccess,
  requireMember,
  requirePermission,
  requireRoute,
  tokenAuthenticator,
} from './index.ts';

const ROLES = ['admin', 'editor', 'approver', 'viewer', 'worker', 'gateway', 'system'];
const actor = (...roles: readonly string[]) => ({ id: 'user:ada', roles });
const word = fc.stringMatching(/^[a-z-]{1,12}$/);
const permission = fc.tuple(word, fc.oneof(word, fc.constantFrom('read', 'write'))).map((parts) => parts.join(':'));
const role = fc.oneof(fc.constantFrom(...ROLES), fc.string());

test('nobody without a role may do anything, and a name that is no role gives nothing', () => {
  const noRole = fc.oneof(fc.constantFrom('constructor', '__proto__', 'toString', ''), fc.string());
  fc.assert(
    fc.property(noRole, permission, (name, asked) => {
      fc.pre(!ROLES.includes(name));
      assert.equal(mayUse(actor(), asked), false);
      assert.equal(mayUse(actor(name), asked), false);
    }),
  );
});

test('another role never takes a permission away, and the order of roles does not matter', () => {
  fc.assert(
    fc.property(fc.array(role, { maxLength: 4 }), role, permission, (roles, more, asked) => {
      if (mayUse(actor(...roles), asked)) assert.equal(mayUse(actor(...roles, more), asked), true);
      assert.equal(mayUse(actor(...roles, more), asked), mayUse(actor(more, ...roles), asked));
    }),
  );
});

test('viewers only read, editors read and write, workers and gateways do their work and no more', () => {
  fc.assert(
    fc.property(word, word, (domain, verb) => {
      assert.equal(mayUse(actor('viewer'), `${domain}:${verb}`), verb === 'read');
      assert.equal(mayUse(actor('editor'), `${domain}:${verb}`), verb === 'read' || verb === 'write');
      assert.equal(mayUse(actor('admin'), `${domain}:${verb}`), true);
    }),
  );
  const may = (name: string, ...asked: readonly string[]) => asked.map((each) => mayUse(actor(name), each));
  assert.deepEqual(may('worker', 'work:lease', 'registry:write', 'datasets:read'), [true, true, true]);
  assert.deepEqual(may('worker', 'serving:write', 'resources:write', 'governance:write'), [false, false, false]);
  assert.deepEqual(may('approver', 'registry:approve', 'registry:read', 'audit:read'), [true, true, true]);
  assert.deepEqual(may('approver', 'registry:write', 'governance:waive', 'registry:govern'), [false, false, false]);
  assert.deepEqual(may('gateway', 'serving:read', 'predictions:record'), [true, true]);
  assert.deepEqual(may('gateway', 'datasets:read', 'audit:read', 'serving:write'), [false, false, false]);
});

test('what is refused names the actor and the permission', () => {
  assert.throws(() => requirePermission(actor('viewer'), 'datasets:write'), {
    code: 'access/forbidden',
    message: 'user:ada lacks the permission datasets:write',
  });
});

test('a token is its actor; without one only this machine is let in, and only when that is allowed', () => {
  const tokens = new Map([['secret', actor('editor')]]);
  const local = tokenAuthenticator(tokens, { localRole: 'admin' });
  const strict = tokenAuthenticator(tokens);

  const sender = (found: ReturnType<typeof local.authenticate>) => found && 'actor' in found && found.actor;
  assert.deepEqual(sender(local.authenticate({ token: 'secret', loopback: false })), actor('editor'));
  assert.deepEqual(sender(local.authenticate({ loopback: true })), { id: 'user:local', roles: ['admin'] });
  assert.equal(local.authenticate({ basic: { user: 'a', password: 'secret' }, loopback: true }), undefined);
  assert.equal(local.authenticate({ session: 'secret', loopback: true }), undefined);
  assert.equal(local.authenticate({ token: undefined, loopback: false }), undefined);
  assert.equal(local.authenticate({ token: 'wrong', loopback: true }), undefined);
  assert.equal(local.authenticate({ token: '', loopback: true }), undefined);
  assert.equal(strict.authenticate({ token: undefined, loopback: true }), undefined);
});

const level = fc.constantFrom(...LEVELS);
const project = fc.constantFrom('default', 'risk', 'credit');
const object = fc.constantFrom('experiment/1', 'experiment/2', 'model/churn');
const grants = fc
  .array(fc.record({ project, object: fc.option(object), level }), { maxLength: 6 })
  .map((rows): Grants => {
    const found = new Map<string, { level: Level | undefined; objects: Map<string, Level> }>();
    for (const row of rows) {
      const entry = found.get(row.project) ?? { level: undefined, objects: new Map<string, Level>() };
      found.set(row.project, entry);
      if (row.object === null) entry.level = row.level;
      else entry.objects.set(row.object, row.level);
    }
    return found;
  });

test('whoever holds a level holds every lower one, and what is required is exactly what is held', () => {
  fc.assert(
    fc.property(role, grants, project, object, level, (name, granted, where, what, needed) => {
      const access = objectAccess(actor(name), where, granted);
      const held = access.levelOn(what);
      const allowed = (() => {
        try {
          access.require(what, needed);
          return true;
        } catch {
          return false;
        }
      })();
      assert.equal(allowed, held !== undefined && LEVELS.indexOf(held) >= LEVELS.indexOf(needed));
      const visible = access.visible(what.split('/')[0] ?? '');
      assert.equal(held !== undefined, visible === 'all' || visible.has(what.split('/')[1] ?? ''));
    }),
  );
});

test('roles reach only into the default project, but for administrators', () => {
  fc.assert(
    fc.property(role, grants, (name, granted) => {
      const elsewhere = new Map([...granted].filter(([where]) => where !== 'risk'));
      const access = objectAccess(actor(name), 'risk', elsewhere);
      const isAdmin = name === 'admin' || name === 'system';
      assert.equal(access.levelOn('experiment/1'), isAdmin ? 'MANAGE' : undefined);
    }),
  );
  assert.equal(objectAccess(actor('editor'), 'default').projectLevel, 'EDIT');
  assert.equal(objectAccess(actor('viewer'), 'default').projectLevel, 'READ');
  assert.equal(objectAccess(actor('gateway'), 'default').projectLevel, undefined);
});

test('whoever made an object manages it for as long as they may see it', () => {
  const access = objectAccess(actor('editor'), 'default');
  assert.equal(access.levelOn('experiment/1', 'user:ada'), 'MANAGE');
  assert.equal(access.levelOn('experiment/1', 'user:bob'), 'EDIT');
  assert.equal(objectAccess(actor(), 'default').levelOn('experiment/1', 'user:ada'), undefined);
});

test('an object that nobody may see is not there, and one that may be seen says which level is missing', () => {
  const granted: Grants = new Map([
    ['risk', { level: undefined, objects: new Map([['experiment/1', 'USE' as const]]) }],
  ]);
  const access = objectAccess(actor('editor'), 'risk', granted);
  assert.throws(() => access.require('experiment/2', 'READ'), { code: 'access/not-found', status: 404 });
  assert.throws(() => access.require('experiment/1', 'EDIT'), {
    code: 'access/forbidden',
    message: 'user:ada holds USE on experiment/1, and this needs EDIT',
  });
  assert.throws(() => access.requireProject('READ'), { code: 'access/forbidden' });
  assert.doesNotThrow(() => access.require('experiment/1', 'USE'));
});

test('single objects open only routes that ask for each object, and a project opens no other domain', () => {
  const granted: Grants = new Map([
    ['risk', { level: undefined, objects: new Map([['experiment/1', 'EDIT' as const]]) }],
    ['credit', { level: 'MANAGE' as const, objects: new Map() }],
  ]);
  const sender = { actor: actor(), grants: granted };
  const route = (permission: string, decidesByObject: boolean, where: string) => () =>
    requireRoute(sender, { permission, decidesByObject, access: objectAccess(sender.actor, where, granted) });
  assert.doesNotThrow(route('tracking:write', true, 'risk'));
  assert.throws(route('tracking:write', false, 'risk'), { code: 'access/forbidden' });
  assert.doesNotThrow(route('registry:write', false, 'credit'));
  for (const elsewhere of ['serving:write', 'datasets:read', 'audit:read', 'registry:approve']) {
    assert.throws(route(elsewhere, true, 'credit'), { code: 'access/forbidden' }, elsewhere);
  }
  assert.throws(() => requireMember(sender, 'other'), { code: 'access/not-a-member', status: 403 });
  assert.doesNotThrow(() => requireMember(sender, 'risk'));
});
