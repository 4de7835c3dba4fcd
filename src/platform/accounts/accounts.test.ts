import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { digestOf } from '#core/hash';
import { contract, createClient, ProblemError, route } from '#platform/contract';
import { routeGroup } from '#platform/http';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { ADMIN_TOKEN, accountMigrations, basic, openAccounts } from './testing.ts';

const PASSWORD = 'correct horse battery';

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no problem',
    (error: unknown) => (error instanceof ProblemError ? `${error.problem.status} ${error.code}` : String(error)),
  );

/** A domain whose objects belong to projects, as tracking and the registry are. */
const labContract = contract({
  read: route({
    method: 'GET',
    path: '/lab/experiments/:experiment',
    summary: 'Read',
    permission: 'tracking:read',
    params: z.object({ experiment: z.string() }),
    object: 'experiment/:experiment',
    reply: z.object({ project: z.string() }),
  }),
  search: route({
    method: 'GET',
    path: '/lab/experiments',
    summary: 'Search',
    permission: 'tracking:read',
    checksObjects: true,
    reply: z.object({ visible: z.array(z.string()) }),
  }),
  erase: route({
    method: 'DELETE',
    path: '/lab/experiments/:experiment',
    summary: 'Erase',
    permission: 'tracking:write',
    level: 'MANAGE',
    params: z.object({ experiment: z.string() }),
    object: 'experiment/:experiment',
    reply: z.object({}),
    audit: 'experiment.erase',
  }),
  tidy: route({
    method: 'POST',
    path: '/lab/tidy',
    summary: 'Tidy',
    permission: 'tracking:write',
    reply: z.object({}),
    audit: 'lab.tidy',
  }),
  deploy: route({
    method: 'POST',
    path: '/lab/deploy',
    summary: 'Deploy',
    permission: 'serving:write',
    reply: z.object({}),
    audit: 'lab.deploy',
  }),
});

const lab = routeGroup(labContract, {
  read: async (_input, ctx) => ({ project: ctx.project }),
  search: async (_input, ctx) => {
    const visible = ctx.access.visible('experiment');
    return { visible: visible === 'all' ? ['all'] : [...visible] };
  },
  erase: async () => ({}),
  tidy: async () => ({}),
  deploy: async () => ({}),
});

forEachDialect('Accounts', accountMigrations, (open) => {
  const start = async (t: TestContext, options: Parameters<typeof openAccounts>[1] = {}, from: OpenDatabase = open) => {
    const opened = await openAccounts(from, { groups: [lab], ...options });
    t.after(() => opened.close());
    const labAs = (headers: Record<string, string>) =>
      createClient(labContract, {
        baseUrl: opened.baseUrl,
        fetch: (input, init) => fetch(input, { ...init, headers: { ...(init?.headers as object), ...headers } }),
      });
    return { ...opened, labAs };
  };

  test('a user gets in with the password, with a key as token or in its place, and with nothing else', async (t) => {
    const { admin, byPassword, byToken } = await start(t);
    await admin.createUser({ body: { name: 'ada', roles: ['viewer'], password: PASSWORD } });
    const { key } = await byPassword('ada', PASSWORD).createOwnKey({ body: { label: 'notebook' } });

    for (const client of [byPassword('ada', PASSWORD), byToken(key), byPassword('ada', key)]) {
      const { actor, roles } = await client.getSession();
      assert.deepEqual({ actor, roles }, { actor: 'user:ada', roles: ['viewer'] });
    }
    const wrong = [
      byPassword('ada', 'correct horse batterY'),
      byPassword('bob', PASSWORD),
      byPassword('bob', key),
      byPassword('', ''),
      byToken(`${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`),
      byToken(key.replace(/_[^_]+$/, '_short')),
      byToken(PASSWORD),
      byToken("' OR 1=1 --"),
      byPassword("ada' --", PASSWORD),
    ];
    for (const client of wrong) assert.equal(await codeOf(client.getSession()), '401 access/unauthenticated');
    assert.equal((await byPassword('admin', ADMIN_TOKEN).getSession()).actor, 'user:admin');
    assert.equal(await codeOf(byPassword('ada', ADMIN_TOKEN).getSession()), '401 access/unauthenticated');
  });

  test('no secret is in the database, and a key is only in the answer that makes it', async (t) => {
    const { admin, byPassword, db } = await start(t);
    await admin.createUser({ body: { name: 'ada', password: PASSWORD } });
    const ada = byPassword('ada', PASSWORD);
    const { key, id } = await ada.createOwnKey({ body: { label: 'notebook' } });
    const { token } = await admin.createSignInLink();
    // A secret may hold underscores itself: what follows the second one is all of it.
    const secretOfKey = key.split('_').slice(2).join('_');

    const stored: unknown[] = [];
    for (const table of ['account_user', 'account_key', 'account_session', 'audit']) {
      stored.push(await db.reader.selectFrom(table).selectAll().execute());
    }
    const text = JSON.stringify(stored);
    for (const secret of [PASSWORD, key, secretOfKey, token]) assert.ok(!text.includes(secret));
    assert.match(text, /\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    const { items } = await ada.listOwnKeys();
    assert.deepEqual(
      items.map((item) => [item.id, 'key' in item]),
      [[id, false]],
    );
  });

  test('what is revoked, disabled or changed counts with the next request', async (t) => {
    const { admin, byPassword, byToken } = await start(t);
    await admin.createUser({ body: { name: 'ada', password: PASSWORD } });
    const ada = byPassword('ada', PASSWORD);
    const first = await ada.createOwnKey({ body: { label: 'one' } });
    const second = await ada.createOwnKey({ body: { label: 'two' } });
    await Promise.all([byToken(first.key).getSession(), byToken(second.key).getSession()]);

    await ada.revokeOwnKey({ params: { key: first.id } });
    assert.equal(await codeOf(byToken(first.key).getSession()), '401 access/unauthenticated');
    assert.equal(await codeOf(byToken(second.key).getSession()), 'no problem');

    await admin.updateUser({ params: { user: 'ada' }, body: { roles: ['editor'] } });
    assert.deepEqual((await ada.getSession()).roles, ['editor']);

    await admin.updateUser({ params: { user: 'ada' }, body: { password: 'another fine phrase' } });
    assert.equal(await codeOf(ada.getSession()), '401 access/unauthenticated');
    assert.equal(await codeOf(byPassword('ada', 'another fine phrase').getSession()), 'no problem');

    await admin.updateUser({ params: { user: 'ada' }, body: { disabled: true } });
    assert.equal(await codeOf(byToken(second.key).getSession()), '401 access/unauthenticated');
    assert.equal(await codeOf(byPassword('ada', 'another fine phrase').getSession()), '401 access/unauthenticated');
    await admin.updateUser({ params: { user: 'ada' }, body: { disabled: false } });
    assert.equal(await codeOf(byToken(second.key).getSession()), 'no problem');
  });

  test('a key ends with its day, also one that is remembered', async (t) => {
    const { admin, byToken, clock } = await start(t);
    await admin.createUser({ body: { name: 'nightly' } });
    const made = await admin.createUserKey({ params: { user: 'nightly' }, body: { label: 'job', days: 1 } });
    await clock.advance(86_399_000);
    assert.equal(await codeOf(byToken(made.key).getSession()), 'no problem');
    await clock.advance(1_500);
    assert.equal(await codeOf(byToken(made.key).getSession()), '401 access/unauthenticated');
  });

  test('what was found out about a sender is remembered for seconds, without a query', async (t) => {
    const { admin, byPassword, byToken, db, clock } = await start(t);
    await admin.createUser({ body: { name: 'ada', roles: ['viewer'], password: PASSWORD } });
    const { key } = await byPassword('ada', PASSWORD).createOwnKey({ body: { label: 'notebook' } });
    const reads = () => fetchStatus(byToken(key), byPassword('ada', PASSWORD));
    assert.deepEqual(await reads(), ['no problem', 'no problem']);
    await db.maintain(async (tx) => {
      for (const table of ['account_user', 'account_key', 'account_grant']) {
        await tx.db.schema.alterTable(table).renameTo(`${table}_away`).execute();
      }
    });
    assert.deepEqual(await reads(), ['no problem', 'no problem']);
    await clock.advance(5_001);
    assert.deepEqual(await reads(), ['500 http/internal', '500 http/internal']);
  });

  const fetchStatus = (...clients: { getSignInMethods(): Promise<unknown>; signOut(): Promise<unknown> }[]) =>
    Promise.all(clients.map((client) => codeOf(client.signOut())));

  test('guessing passwords becomes slow, for those who guess and not for others', async (t) => {
    const { admin, byPassword, as, clock } = await start(t);
    await admin.createUser({ body: { name: 'ada', password: PASSWORD } });
    await admin.createUser({ body: { name: 'bob', password: PASSWORD } });
    const known = byPassword('ada', PASSWORD);
    await known.getSession();
    const nobody = as({});
    const signIn = (user: string, password: string) => codeOf(nobody.signIn({ body: { user, password } }));

    for (let i = 0; i < 5; i++) assert.equal(await signIn('ada', `wrong guess ${i}`), '401 accounts/sign-in-refused');
    assert.equal(await signIn('ada', PASSWORD), '429 access/too-many-attempts');
    assert.equal(await codeOf(byPassword('ada', 'yet another').getSession()), '401 access/unauthenticated');
    assert.equal(await codeOf(known.getSession()), 'no problem', 'a session that exists goes on');
    assert.equal(await signIn('bob', PASSWORD), 'no problem');
    for (let i = 0; i < 5; i++) assert.equal(await signIn('nobody', `guess ${i}`), '401 accounts/sign-in-refused');
    assert.equal(await signIn('nobody', 'guess'), '429 access/too-many-attempts', 'as for a user who is there');
    await clock.advance(1_100);
    assert.equal(await signIn('ada', 'one more guess'), '401 accounts/sign-in-refused');
    await clock.advance(1_100);
    assert.equal(await signIn('ada', PASSWORD), '429 access/too-many-attempts', 'the pause has doubled');
    await clock.advance(1_000);
    assert.equal(await signIn('ada', PASSWORD), 'no problem');
  });

  test('weak passwords and names of the platform are refused, with the field', async (t) => {
    const { admin } = await start(t);
    const create = (name: string, password: string) => codeOf(admin.createUser({ body: { name, password } }));
    for (const weak of ['short', 'aaaaaaaaaaaaaaaa', 'ada-is-the-best', 'x'.repeat(201)]) {
      assert.equal(await create('ada', weak), '400 accounts/password-weak', weak);
    }
    assert.equal(await create('admin', PASSWORD), '400 accounts/user-invalid');
    assert.equal(await create('no spaces', PASSWORD), '400 http/invalid-input');
    assert.equal(await create('ada', PASSWORD), 'no problem');
    assert.equal(await create('ada', PASSWORD), '409 accounts/user-exists');
    const page = await admin.listUsers({ query: { limit: 1 } });
    assert.deepEqual([page.items.map((user) => user.name), page.next], [['ada'], undefined]);
  });

  test('only administrators keep accounts, and everybody their own keys', async (t) => {
    const { admin, byPassword } = await start(t);
    for (const name of ['ada', 'eve']) {
      await admin.createUser({ body: { name, roles: ['editor'], password: PASSWORD } });
    }
    const [ada, eve] = [byPassword('ada', PASSWORD), byPassword('eve', PASSWORD)];
    const { id } = await ada.createOwnKey({ body: { label: 'mine' } });

    assert.equal(await codeOf(eve.createUser({ body: { name: 'mallory' } })), '403 access/forbidden');
    assert.equal(await codeOf(eve.listUserKeys({ params: { user: 'ada' } })), '403 access/forbidden');
    assert.equal(await codeOf(eve.revokeOwnKey({ params: { key: id } })), '404 accounts/key-not-found');
    const grant = { principal: 'user:eve', level: 'MANAGE' } as const;
    assert.equal(await codeOf(eve.putGrant({ params: { project: 'default' }, body: grant })), '403 access/forbidden');
    assert.deepEqual(await codeOf(eve.listOwnKeys()), 'no problem');
  });

  test('a project is open to those who were granted a level on it or in it, each as far as that goes', async (t) => {
    const { admin, byPassword, labAs } = await start(t);
    for (const name of ['member', 'guest', 'editor']) {
      const roles = name === 'editor' ? (['editor'] as const) : [];
      await admin.createUser({ body: { name, roles: [...roles], password: PASSWORD } });
    }
    await admin.createProject({ body: { name: 'risk' } });
    const params = { project: 'risk' };
    await admin.putGrant({ params, body: { principal: 'user:member', level: 'EDIT' } });
    await admin.putGrant({ params, body: { principal: 'user:guest', object: 'experiment/1', level: 'MANAGE' } });
    const inRisk = (user: string) => labAs({ authorization: basic(user, PASSWORD), 'x-mlflow-workspace': 'risk' });
    const one = { params: { experiment: '1' } };
    const two = { params: { experiment: '2' } };

    const cases: [string, () => Promise<unknown>, string][] = [
      ['member reads', () => inRisk('member').read(two), 'no problem'],
      ['member tidies', () => inRisk('member').tidy(), 'no problem'],
      ['member erases', () => inRisk('member').erase(two), '403 access/forbidden'],
      ['member deploys', () => inRisk('member').deploy(), '403 access/forbidden'],
      ['guest reads theirs', () => inRisk('guest').read(one), 'no problem'],
      ['guest erases theirs', () => inRisk('guest').erase(one), 'no problem'],
      ['guest reads another', () => inRisk('guest').read(two), '404 access/not-found'],
      ['guest tidies', () => inRisk('guest').tidy(), '403 access/forbidden'],
      ['editor of default reads', () => inRisk('editor').read(one), '403 access/not-a-member'],
      ['editor of default deploys', () => inRisk('editor').deploy(), '403 access/not-a-member'],
      [
        'admin erases',
        () => labAs({ authorization: `Bearer ${ADMIN_TOKEN}`, 'x-mlflow-workspace': 'risk' }).erase(two),
        'no problem',
      ],
      [
        'member in default',
        () => labAs({ authorization: basic('member', PASSWORD) }).read(one),
        '403 access/forbidden',
      ],
      ['editor in default', () => labAs({ authorization: basic('editor', PASSWORD) }).read(one), 'no problem'],
    ];
    for (const [name, call, code] of cases) assert.equal(await codeOf(call()), code, name);
    assert.deepEqual(await inRisk('guest').search(), { visible: ['1'] });
    assert.deepEqual(await inRisk('member').search(), { visible: ['all'] });
    assert.deepEqual(
      (await byPassword('guest', PASSWORD).listProjects()).items.map(({ name, level }) => [name, level]),
      [['risk', null]],
    );
  });

  test('whoever manages an object, or made it, grants others a level on it, and takes it back at once', async (t) => {
    const ownerOf = async (project: string, object: string) =>
      project === 'default' && object === 'experiment/1' ? 'user:ada' : undefined;
    const { admin, byPassword, labAs } = await start(t, { ownerOf });
    await admin.createUser({ body: { name: 'ada', roles: ['editor'], password: PASSWORD } });
    await admin.createUser({ body: { name: 'bob', password: PASSWORD } });
    const ada = byPassword('ada', PASSWORD);
    const bob = labAs({ authorization: basic('bob', PASSWORD) });
    const params = { project: 'default' };
    const body = { principal: 'user:bob', object: 'experiment/1', level: 'READ' } as const;

    assert.equal(await codeOf(bob.read({ params: { experiment: '1' } })), '403 access/forbidden');
    await ada.putGrant({ params, body });
    assert.equal(await codeOf(bob.read({ params: { experiment: '1' } })), 'no problem');
    const other = { ...body, object: 'experiment/2' };
    assert.equal(await codeOf(ada.putGrant({ params, body: other })), '403 access/forbidden');
    const { items } = await ada.listGrants({ params, query: { object: 'experiment/1' } });
    assert.deepEqual(items, [{ project: 'default', ...body }]);

    const gone = { params: { ...params, principal: 'user:bob' }, query: { object: 'experiment/1' } };
    await ada.deleteGrant(gone);
    assert.equal(await codeOf(bob.read({ params: { experiment: '1' } })), '403 access/forbidden');
    assert.equal(await codeOf(ada.deleteGrant(gone)), '404 accounts/grant-not-found');
  });

  test('a project that is archived, or was never there, lets nobody in', async (t) => {
    const { admin, labAs } = await start(t);
    await admin.createUser({ body: { name: 'ada', password: PASSWORD } });
    await admin.createProject({ body: { name: 'risk' } });
    const params = { project: 'risk' };
    await admin.putGrant({ params, body: { principal: 'user:ada', level: 'READ' } });
    const as = (authorization: string, project: string) =>
      codeOf(labAs({ authorization, 'x-mlflow-workspace': project }).search());
    const [ada, root] = [basic('ada', PASSWORD), `Bearer ${ADMIN_TOKEN}`];

    assert.deepEqual([await as(ada, 'risk'), await as(root, 'risk')], ['no problem', 'no problem']);
    await admin.updateProject({ params, body: { archived: true } });
    assert.deepEqual([await as(ada, 'risk'), await as(root, 'risk')], Array(2).fill('404 access/no-project'));
    assert.deepEqual(
      [await as(ada, 'nowhere'), await as(root, 'nowhere')],
      ['403 access/not-a-member', '404 access/no-project'],
    );
    assert.equal(await as(root, '../etc'), '400 access/invalid-project');
    assert.equal(
      await codeOf(admin.updateProject({ params: { project: 'default' }, body: { archived: true } })),
      '409 accounts/project-fixed',
    );
    await admin.updateProject({ params, body: { archived: false } });
    assert.equal(await as(ada, 'risk'), 'no problem');
  });

  test('each change is audited under the one who made it, with what it was and no secret', async (t) => {
    const { admin, byPassword, db } = await start(t);
    await admin.createUser({ body: { name: 'ada', roles: ['viewer'], password: PASSWORD } });
    await byPassword('ada', PASSWORD).createOwnKey({ body: { label: 'notebook' } });
    await admin.putGrant({
      params: { project: 'default' },
      body: { principal: 'group:risk', object: 'model/churn', level: 'USE' },
    });
    const rows = await db.reader.selectFrom('audit').select(['actor', 'action', 'subject']).orderBy('seq').execute();
    assert.deepEqual(
      rows.map((row) => [row['actor'], row['action'], row['subject']]),
      [
        ['user:admin', 'user.create', 'user/ada'],
        ['user:ada', 'key.create', 'user/ada'],
        ['user:admin', 'grant.put', 'model/churn'],
      ],
    );
  });

  test('gateways are told whose keys count, without a secret, and again after each change', async (t) => {
    const { admin, byToken, accounts } = await start(t);
    const gateway = byToken('gateway-token');
    await admin.createUser({ body: { name: 'app', roles: ['caller'] } });
    await admin.createUser({ body: { name: 'reader', roles: ['viewer'] } });
    const { key, id } = await admin.createUserKey({ params: { user: 'app' }, body: { label: 'a', days: 1 } });
    await admin.createUserKey({ params: { user: 'reader' }, body: { label: 'b' } });
    const context = { actor: { id: 'user:admin', roles: ['admin'] }, action: 'test' };
    const person = { issuer: 'https://login.bank', subject: 's-1', name: 'ada', roles: undefined };
    await accounts.users.provision(person);

    const first = await gateway.pollCallers({ query: {} });
    assert.deepEqual(first.keys.map(({ actor }) => actor).sort(), ['service:worker', 'user:admin', 'user:app']);
    const { hash, expiresAt } = first.keys.find(({ actor }) => actor === 'user:app') ?? {};
    assert.equal(`sha256:${hash}`, digestOf(key));
    assert.ok(expiresAt);
    assert.ok(!JSON.stringify(first).includes(key));
    assert.equal(await codeOf(byToken(key).pollCallers({ query: {} })), '403 access/forbidden');

    await accounts.users.update(context, 'ada', { disabled: true });
    const barring = await gateway.pollCallers({ query: { after: first.tag } });
    assert.deepEqual(barring.barred, [{ issuer: 'https://login.bank', subject: 's-1' }]);
    await admin.revokeUserKey({ params: { user: 'app', key: id } });
    const revoked = await gateway.pollCallers({ query: { after: barring.tag } });
    assert.deepEqual(revoked.keys.map(({ actor }) => actor).sort(), ['service:worker', 'user:admin']);
    assert.notEqual(revoked.tag, barring.tag);
  });
});
