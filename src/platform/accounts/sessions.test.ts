import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { SESSION_COOKIE } from '#platform/http';
import { forEachDialect } from '#testing/databases';
import { ADMIN_TOKEN, accountMigrations, openAccounts } from './testing.ts';

const PASSWORD = 'correct horse battery';

forEachDialect('Sessions', accountMigrations, (open) => {
  async function start(t: TestContext, publicUrl = '', localRole?: string) {
    const opened = await openAccounts(open, { publicUrl, localRole });
    t.after(() => opened.close());
    await opened.admin.createUser({ body: { name: 'ada', roles: ['viewer'], password: PASSWORD } });
    const { baseUrl } = opened;
    const send = (method: string, path: string, headers: Record<string, string> = {}, body?: unknown) =>
      fetch(`${baseUrl}${path}`, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    const signIn = async (body: unknown) => {
      const response = await send('POST', '/api/v1/session', {}, body);
      const cookie = response.headers.getSetCookie()[0] ?? '';
      return { status: response.status, cookie, value: cookie.split(';')[0] ?? '' };
    };
    return { ...opened, send, signIn };
  }

  test('a session begins with a password, a key or a token, in a cookie that no script gets', async (t) => {
    const { signIn, send, byPassword } = await start(t);
    const { key } = await byPassword('ada', PASSWORD).createOwnKey({ body: { label: 'k' } });

    for (const body of [{ user: 'ada', password: PASSWORD }, { token: key }]) {
      const { cookie, value } = await signIn(body);
      assert.match(cookie, /^kedge_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
      const session = (await (await send('GET', '/api/v1/session', { cookie: value })).json()) as { actor: string };
      assert.equal(session.actor, 'user:ada');
    }
    const admin = await signIn({ token: ADMIN_TOKEN });
    assert.equal((await send('GET', '/api/v1/users', { cookie: admin.value })).status, 200);
    assert.equal((await signIn({ token: 'no such token' })).status, 401);
    assert.equal((await signIn({ user: 'ada', password: 'not this one' })).status, 401);
  });

  test('behind TLS the cookie is sent over TLS only', async (t) => {
    const { signIn } = await start(t, 'https://kedge.bank.example');
    assert.match((await signIn({ token: ADMIN_TOKEN })).cookie, /; Secure$/);
  });

  test('a cookie alone changes nothing: the request must say that a page of ours sent it', async (t) => {
    const { signIn, send, baseUrl } = await start(t);
    const { value: cookie } = await signIn({ user: 'ada', password: PASSWORD });
    const body = { label: 'mine' };

    assert.equal((await send('POST', '/api/v1/keys', { cookie }, body)).status, 403);
    const elsewhere = 'http://127.0.0.1:9';
    assert.equal((await send('POST', '/api/v1/keys', { cookie, origin: elsewhere }, body)).status, 403);
    assert.equal((await send('POST', '/api/v1/keys', { cookie, origin: baseUrl }, body)).status, 200);
  });

  test('a session ends by itself, by its user, with the password and with the user', async (t) => {
    const { signIn, send, admin, clock, baseUrl } = await start(t);
    const status = async (cookie: string) => (await send('GET', '/api/v1/session', { cookie })).status;
    const credentials = { user: 'ada', password: PASSWORD };
    const [first, second] = [(await signIn(credentials)).value, (await signIn(credentials)).value];
    const root = (await signIn({ token: ADMIN_TOKEN })).value;
    assert.deepEqual([await status(first), await status(second), await status(root)], [200, 200, 200]);

    for (const cookie of [first, root]) {
      const ended = await send('DELETE', '/api/v1/session', { cookie, origin: baseUrl });
      assert.match(ended.headers.getSetCookie()[0] ?? '', /^kedge_session=; .*Max-Age=0$/);
    }
    assert.deepEqual([await status(first), await status(second), await status(root)], [401, 200, 401]);

    const next = 'another fine phrase';
    const change = { current: PASSWORD, next };
    const changed = await send('POST', '/api/v1/session/password', { cookie: second, origin: baseUrl }, change);
    assert.equal(changed.status, 200);
    assert.equal(await status(second), 401);
    assert.equal(await status(changed.headers.getSetCookie()[0]?.split(';')[0] ?? ''), 200);

    const third = (await signIn({ user: 'ada', password: next })).value;
    await admin.updateUser({ params: { user: 'ada' }, body: { disabled: true } });
    assert.equal(await status(third), 401);
    await admin.updateUser({ params: { user: 'ada' }, body: { disabled: false } });
    const fourth = (await signIn({ user: 'ada', password: next })).value;
    await clock.advance(12 * 3_600_000 - 1);
    assert.equal(await status(fourth), 200);
    await clock.advance(1);
    assert.equal(await status(fourth), 401);
  });

  test('a sign-in link lets one in once, soon', async (t) => {
    const { signIn, admin, clock } = await start(t);
    const { token } = await admin.createSignInLink();
    const both = await Promise.all([signIn({ token }), signIn({ token })]);
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 401]);
    assert.equal((await signIn({ token })).status, 401);

    const late = await admin.createSignInLink();
    await clock.advance(15 * 60_000);
    assert.equal((await signIn({ token: late.token })).status, 401);
  });

  test('a link is no session and no token, and a session is no token', async (t) => {
    const { signIn, admin, send } = await start(t);
    const { token } = await admin.createSignInLink();
    const { value } = await signIn({ token: ADMIN_TOKEN });
    const session = value.slice(SESSION_COOKIE.length + 1);
    assert.equal((await send('GET', '/api/v1/session', { cookie: `${SESSION_COOKIE}=${token}` })).status, 401);
    for (const bearer of [token, session]) {
      const headers = { authorization: `Bearer ${bearer}` };
      assert.equal((await send('GET', '/api/v1/session', headers)).status, 401);
    }
  });

  test('a cookie that is not valid is not replaced by what this machine may do without one', async (t) => {
    const { send } = await start(t, '', 'admin');
    assert.equal((await send('GET', '/api/v1/users')).status, 200);
    assert.equal((await send('GET', '/api/v1/users', { cookie: `${SESSION_COOKIE}=gone` })).status, 401);
    assert.equal((await send('GET', '/api/v1/users', { cookie: 'another=thing' })).status, 200);
  });
});
