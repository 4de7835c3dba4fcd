import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
// @ts-expect-error the package comes without types.
import Provider from 'oidc-provider';
import { forEachDialect } from '#testing/databases';
import { accountMigrations, openAccounts } from './testing.ts';

const CLIENT = 'kedge';

interface Session {
  readonly actor?: string;
  readonly roles?: readonly string[];
  readonly projects?: readonly { readonly name: string; readonly level: string | null }[];
}

interface Person {
  readonly sub: string;
  readonly preferred_username: string;
  groups: string[];
}

/** A real provider on loopback, whose person at the keyboard is whoever `present` says. */
async function openProvider(t: TestContext, callback: () => string) {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), kid: 'signing', alg: 'RS256', use: 'sig' };
  const people = new Map<string, Person>();
  let present = '';
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: CLIENT, redirect_uris: [callback()], token_endpoint_auth_method: 'none' }],
    pkce: { required: () => true },
    jwks: { keys: [jwk] },
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
    findAccount: (_ctx: unknown, id: string) => ({
      accountId: id,
      claims: async () => ({ ...people.get(id), sub: id }),
    }),
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_ctx: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    async loadExistingGrant(ctx: {
      oidc: { client: { clientId: string }; session: { accountId: string }; provider: Provider };
    }) {
      const { client, session } = ctx.oidc;
      const grant = new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope('openid profile email');
      await grant.save();
      return grant;
    },
  });
  provider.on('server_error', (_ctx: unknown, error: Error) => t.diagnostic(String(error.stack)));
  const answer = provider.callback();
  server.on('request', (request, response) => {
    if (!request.url?.startsWith('/interaction/')) return answer(request, response);
    void provider.interactionFinished(request, response, { login: { accountId: present } });
  });
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const sign = (claims: Record<string, unknown>, key = privateKey) =>
    new SignJWT({ iss: issuer, aud: CLIENT, ...claims }).setProtectedHeader({ alg: 'RS256', kid: 'signing' }).sign(key);
  const comes = (person: Person) => {
    people.set(person.sub, person);
    present = person.sub;
  };
  return { issuer, sign, comes };
}

/** A browser as far as this needs one: it follows redirects, and keeps the cookies of each host and path. */
function browser() {
  const jar = new Map<string, { readonly path: string; readonly pair: string }>();
  async function visit(url: string): Promise<{ readonly status: number; readonly url: string }> {
    const { host, pathname } = new URL(url);
    const cookies = [...jar].filter(([key, { path }]) => key.startsWith(`${host} `) && pathname.startsWith(path));
    const headers = { cookie: cookies.map(([, { pair }]) => pair).join('; ') };
    const response = await fetch(url, { redirect: 'manual', headers });
    await response.arrayBuffer();
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';');
      const path = /; *path=([^;]+)/i.exec(cookie)?.[1] ?? '/';
      jar.set(`${host} ${path} ${pair.split('=')[0]}`, { path, pair });
    }
    const location = response.headers.get('location');
    // The console is not served here: where the browser would open it, the way ends.
    if (!location || location === '/') return { status: response.status, url };
    return visit(new URL(location, url).href);
  }
  const cookie = (name: string) => [...jar.values()].find(({ pair }) => pair.startsWith(`${name}=`))?.pair ?? '';
  return { visit, cookie };
}

forEachDialect('Sign-in at an identity provider', accountMigrations, (open) => {
  async function start(t: TestContext) {
    let callback = '';
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as { port: number };
    probe.close();
    await once(probe, 'close');
    callback = `http://127.0.0.1:${port}/api/v1/session/oidc/callback`;
    const provider = await openProvider(t, () => callback);
    const roles = new Map([
      ['ml-admins', 'admin'],
      ['ml-team', 'editor'],
    ]);
    const oidc = {
      issuer: provider.issuer,
      clientId: CLIENT,
      clientSecret: '',
      audience: '',
      roleClaim: 'groups',
      roles,
    };
    const opened = await openAccounts(open, { oidc, port });
    t.after(() => opened.close());
    await opened.clock.advance(Date.now() - opened.clock.now());
    const session = async (cookie: string) => {
      const response = await fetch(`${opened.baseUrl}/api/v1/session`, { headers: { cookie } });
      return { status: response.status, ...((await response.json()) as Session) };
    };
    const signIn = async () => {
      const { visit, cookie } = browser();
      const { status } = await visit(`${opened.baseUrl}/api/v1/session/oidc`);
      return { status, cookie: cookie('kedge_session') };
    };
    return { ...opened, provider, session, signIn };
  }

  test('whoever the provider vouches for is in, with the roles and groups that it says, each time anew', async (t) => {
    const { provider, session, signIn, admin } = await start(t);
    const grace = { sub: 'g-1', preferred_username: 'Grace Hopper', groups: ['ml-team', 'risk'] };
    provider.comes(grace);
    const first = await signIn();
    assert.equal(first.status, 303);
    const { actor, roles } = await session(first.cookie);
    assert.deepEqual(
      { actor, roles },
      { actor: 'user:grace-hopper', roles: ['editor', 'group:ml-team', 'group:risk'] },
    );

    await admin.createProject({ body: { name: 'credit' } });
    const body = { principal: 'group:risk', level: 'USE' } as const;
    await admin.putGrant({ params: { project: 'credit' }, body });
    const mine = await session(first.cookie);
    assert.deepEqual(
      mine.projects?.map(({ name, level }) => `${name} ${level}`),
      ['credit USE', 'default EDIT'],
    );

    provider.comes({ ...grace, groups: ['ml-admins'] });
    const second = await signIn();
    assert.deepEqual((await session(second.cookie)).roles, ['admin', 'group:ml-admins']);
    assert.deepEqual((await session(first.cookie)).roles, ['admin', 'group:ml-admins']);
  });

  test('a name that somebody has already is not taken over, and a user who is disabled here stays out', async (t) => {
    const { provider, session, signIn, admin } = await start(t);
    await admin.createUser({ body: { name: 'ada', roles: ['admin'], password: 'correct horse battery' } });
    provider.comes({ sub: 'mallory', preferred_username: 'ada', groups: [] });
    const { cookie } = await signIn();
    assert.equal((await session(cookie)).actor, 'user:ada-2');

    await admin.updateUser({ params: { user: 'ada-2' }, body: { disabled: true } });
    assert.equal((await session(cookie)).status, 401);
    assert.equal((await signIn()).status, 401);
  });

  test('who comes back without having been sent, or with an answer for another sign-in, is not in', async (t) => {
    const { provider, baseUrl } = await start(t);
    provider.comes({ sub: 'g-1', preferred_username: 'grace', groups: [] });
    const callback = `${baseUrl}/api/v1/session/oidc/callback`;
    const { visit, cookie } = browser();
    assert.equal((await visit(`${callback}?code=stolen&state=guessed`)).status, 401);
    const begun = await fetch(`${baseUrl}/api/v1/session/oidc`, { redirect: 'manual' });
    const pending = begun.headers.getSetCookie()[0] ?? '';
    assert.match(pending, /; Path=\/api\/v1\/session\/oidc; HttpOnly; SameSite=Lax; Max-Age=600$/);
    const headers = { cookie: pending.split(';')[0] ?? '' };
    for (const query of ['code=stolen&state=guessed', 'error=access_denied', '']) {
      const reply = await fetch(`${callback}?${query}`, { redirect: 'manual', headers });
      assert.equal(reply.status, 401, query);
    }
    assert.equal(cookie('kedge_session'), '');
  });

  test('a bearer token of the provider is its user, unless anything about it is not as it should be', async (t) => {
    const { provider, byToken, clock } = await start(t);
    const now = Math.floor(clock.now() / 1_000);
    const good = { sub: 'svc-1', preferred_username: 'nightly', groups: ['ml-team'], exp: now + 300 };
    const { actor, roles } = await byToken(await provider.sign(good)).getSession();
    assert.deepEqual({ actor, roles }, { actor: 'user:nightly', roles: ['editor', 'group:ml-team'] });

    const other = (await generateKeyPair('RS256')).privateKey;
    const secret = new TextEncoder().encode('the public key taken for a secret');
    const hmac = await new SignJWT({ ...good, iss: provider.issuer, aud: CLIENT })
      .setProtectedHeader({ alg: 'HS256', kid: 'signing' })
      .sign(secret);
    const none = [{ alg: 'none' }, { ...good, iss: provider.issuer, aud: CLIENT }]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const bad: Record<string, string> = {
      'another audience': await provider.sign({ ...good, aud: 'somebody else' }),
      'another issuer': await provider.sign({ ...good, iss: 'https://evil.example' }),
      expired: await provider.sign({ ...good, exp: now - 60 }),
      'without an end': await provider.sign({ ...good, exp: undefined }),
      'without a subject': await provider.sign({ ...good, sub: undefined }),
      'another key': await provider.sign(good, other),
      hmac,
      none: `${none}.`,
    };
    for (const [what, token] of Object.entries(bad)) {
      await assert.rejects(byToken(token).getSession(), { code: 'access/unauthenticated' }, what);
    }
  });

  test('a token that is remembered ends when it says', async (t) => {
    const { provider, byToken, clock } = await start(t);
    const exp = Math.floor(clock.now() / 1_000) + 60;
    const client = byToken(await provider.sign({ sub: 'svc-1', preferred_username: 'nightly', groups: [], exp }));
    await client.getSession();
    await clock.advance(120_000);
    await assert.rejects(client.getSession(), { code: 'access/unauthenticated' });
  });
});
