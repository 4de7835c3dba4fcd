import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { exportJWK, generateKeyPair, type JSONWebKeySet, SignJWT } from 'jose';
import { ManualClock } from '#core/clock';
import { digestOf } from '#core/hash';
import { createLogger } from '#platform/observe';
import { ApiKeys } from './api-keys.ts';
import { secretOf } from './caller.ts';
import { KeySet } from './key-set.ts';
import { isLocal } from './local-origin.ts';
import { Tokens } from './tokens.ts';

const logger = createLogger('test', 'silent');
const hashOf = (key: string): string => digestOf(key).slice('sha256:'.length);

test('a key is taken from a bearer token, from a header of its own or from the place of a password', () => {
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

  assert.equal(secretOf({ authorization: 'Bearer k' }), 'k');
  assert.equal(secretOf({ authorization: 'bearer  k ' }), 'k');
  assert.equal(secretOf({ 'x-api-key': 'k' }), 'k');
  assert.equal(secretOf({ authorization: basic('ada:a:b') }), 'a:b');
  assert.equal(secretOf({}), undefined);
  // A header that is not understood presents a key that nobody has: it never counts as none.
  for (const authorization of ['', 'k', 'Negotiate k', 'Bearer', 'Bearer a b']) {
    assert.equal(secretOf({ authorization, 'x-api-key': 'good' }), '');
  }
});

test('only names of this machine are local, however a page of another site writes its own', () => {
  for (const host of ['localhost', 'LOCALHOST:4601', '127.0.0.1:80', '127.9.9.9', '[::1]:4601', undefined]) {
    assert.equal(isLocal(host, undefined), true, host);
  }
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1', '', '[::2]']) {
    assert.equal(isLocal(host, undefined), false, host);
  }
  for (const origin of [
    'http://evil.example',
    'null',
    'https://localhost.evil.example',
    'http://127.0.0.1@evil.example',
  ]) {
    assert.equal(isLocal('127.0.0.1:4601', origin), false, origin);
  }
  assert.equal(isLocal('127.0.0.1:4601', 'http://localhost:4600'), true);
});

test('any table lets in exactly the keys that are in it and have not ended', () => {
  const key = fc.record({ secret: fc.string(), expiresAt: fc.option(fc.nat(100)), actor: fc.string({ minLength: 1 }) });
  const unique = fc.uniqueArray(key, { selector: ({ secret }) => secret, maxLength: 20 });
  fc.assert(
    fc.property(unique, unique, fc.nat(100), (before, now, at) => {
      const keys = new ApiKeys();
      for (const [tag, given] of Object.entries({ before, now })) {
        const table = given.map((one) => ({ ...one, hash: hashOf(one.secret), groups: [] }));
        keys.apply({ tag, keys: table, barred: [] });
      }

      assert.equal(keys.tag, 'now');
      for (const { secret } of [...before, ...now]) {
        const meant = now.find((one) => one.secret === secret && (one.expiresAt === null || one.expiresAt > at));
        assert.equal(keys.find(secret, at)?.id, meant?.actor);
      }
    }),
  );
});

interface Issuer {
  keys: JSONWebKeySet;
  reads: number;
  isAway: boolean;
  sign(claims: Record<string, unknown>): Promise<string>;
}

async function issuerOf(kid: string): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  return {
    keys: { keys: [{ ...(await exportJWK(publicKey)), kid, alg: 'ES256' }] },
    reads: 0,
    isAway: false,
    sign: (claims) => new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey),
  };
}

function openTokens(issuer: Issuer, clock: ManualClock, barred: readonly string[] = []) {
  const keySet = new KeySet({
    ...{ clock, logger },
    async fetchKeys() {
      issuer.reads += 1;
      if (issuer.isAway) throw new Error('away');
      return issuer.keys;
    },
  });
  const roles = new Map([['ml-apps', 'caller']]);
  return new Tokens({
    ...{
      issuer: 'https://login.bank',
      audience: 'kedge',
      roleClaim: 'groups',
      roles,
      keys: keySet.find,
      clock,
      logger,
    },
    isBarred: (_issuer, subject) => barred.includes(subject),
  });
}

const claimsAt = (clock: ManualClock, more: Record<string, unknown> = {}) => ({
  ...{ iss: 'https://login.bank', aud: 'kedge', sub: 'app-1', groups: ['ml-apps'] },
  exp: Math.floor(clock.now() / 1_000) + 3_600,
  ...more,
});

test('a token lets its holder in when issuer, audience, time and role are right, and not otherwise', async () => {
  const clock = new ManualClock();
  const issuer = await issuerOf('k1');
  const tokens = openTokens(issuer, clock, ['gone']);
  const signed = (more?: Record<string, unknown>) => issuer.sign(claimsAt(clock, more));
  const exp = Math.floor(clock.now() / 1_000) - 31;

  assert.deepEqual(await tokens.find(await signed()), { id: 'token:app-1', groups: ['group:ml-apps'] });
  for (const more of [{ iss: 'https://evil' }, { aud: 'other' }, { exp }, { sub: undefined }, { sub: 'gone' }]) {
    assert.equal(await tokens.find(await signed(more)), undefined, JSON.stringify(more));
  }
  await assert.rejects(async () => tokens.find(await signed({ groups: ['others'] })), { code: 'gateway/forbidden' });
  const stranger = await issuerOf('k1');
  assert.equal(await tokens.find(await stranger.sign(claimsAt(clock))), undefined);
  const [head, body] = (await signed()).split('.');
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  assert.equal(await tokens.find(`${none}.${body}.x`), undefined);
  assert.equal(await tokens.find(`${head}.${body}`), undefined);
});

test('a token that was good is found without a promise until it ends, and not after its holder is barred', async () => {
  const clock = new ManualClock();
  const issuer = await issuerOf('k1');
  const barred: string[] = [];
  const tokens = openTokens(issuer, clock, barred);
  const token = await issuer.sign(claimsAt(clock, { exp: Math.floor(clock.now() / 1_000) + 60 }));
  await tokens.find(token);

  assert.deepEqual(tokens.find(token), { id: 'token:app-1', groups: ['group:ml-apps'] });
  barred.push('app-1');
  assert.equal(tokens.find(token), undefined);
  barred.pop();
  await clock.advance(100_000);
  assert.equal(await tokens.find(token), undefined);
});

test('an issuer that is away stops nobody whose key is known, and new keys are found when it is back', async () => {
  const clock = new ManualClock();
  const issuer = await issuerOf('k1');
  const tokens = openTokens(issuer, clock);
  await tokens.find(await issuer.sign(claimsAt(clock)));
  issuer.isAway = true;
  await clock.advance(3_600_000);

  assert.ok(await tokens.find(await issuer.sign(claimsAt(clock, { sub: 'app-2' }))));
  const next = await issuerOf('k2');
  issuer.isAway = false;
  issuer.keys = next.keys;
  await clock.advance(60_000);
  assert.ok(await tokens.find(await next.sign(claimsAt(clock))));
  assert.equal(await tokens.find(await issuer.sign(claimsAt(clock, { sub: 'app-3' }))), undefined);

  const readsBefore = issuer.reads;
  for (let i = 0; i < 20; i++) await tokens.find(await (await issuerOf(`forged-${i}`)).sign(claimsAt(clock)));
  assert.ok(issuer.reads <= readsBefore + 1);
});

test('without word of the issuer for a day its keys count no more, and the client is told to come again', async () => {
  const clock = new ManualClock();
  const issuer = await issuerOf('k1');
  const tokens = openTokens(issuer, clock);
  await tokens.find(await issuer.sign(claimsAt(clock)));
  issuer.isAway = true;
  await clock.advance(25 * 3_600_000);

  const late = await issuer.sign(claimsAt(clock));
  await assert.rejects(async () => tokens.find(late), { code: 'gateway/access-unavailable', retryAfterMs: 5_000 });
});
