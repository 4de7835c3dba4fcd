import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mayUse, requirePermission, tokenAuthenticator } from './index.ts';

const ROLES = ['admin', 'editor', 'viewer', 'worker', 'gateway', 'system'];
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

  assert.deepEqual(local.authenticate({ token: 'secret', loopback: false }), actor('editor'));
  assert.deepEqual(local.authenticate({ token: undefined, loopback: true }), { id: 'user:local', roles: ['admin'] });
  assert.equal(local.authenticate({ token: undefined, loopback: false }), undefined);
  assert.equal(local.authenticate({ token: 'wrong', loopback: true }), undefined);
  assert.equal(local.authenticate({ token: '', loopback: true }), undefined);
  assert.equal(strict.authenticate({ token: undefined, loopback: true }), undefined);
});
