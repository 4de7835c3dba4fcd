import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { ManualClock } from '#core/clock';
import { defineErrors } from '#core/errors';
import { sequenceIds } from '#core/ids';
import { seededRandom } from '#core/random';
import { tokenAuthenticator } from '#platform/access';
import { contract, createClient, ProblemError, pageQuery, route } from '#platform/contract';
import { createLogger, createMetrics } from '#platform/observe';
import { forEachDialect } from '#testing/databases';
import { openHttpServer, type RouteGroup, routeGroup } from './server.ts';

const shopErrors = defineErrors('shop', { 'sold-out': { status: 409, title: 'There is none left' } });

const shopContract = contract({
  listItems: route({
    method: 'GET',
    path: '/shop/:shop/items',
    summary: 'List items',
    permission: 'shop:read',
    params: z.object({ shop: z.string().max(300) }),
    query: pageQuery.extend({ tag: z.string().optional() }),
    reply: z.object({ shop: z.string(), limit: z.number(), tag: z.string().nullable(), actor: z.string() }),
  }),
  order: route({
    method: 'POST',
    path: '/shop/orders',
    summary: 'Order',
    permission: 'shop:write',
    body: z.strictObject({ items: z.array(z.object({ name: z.string(), count: z.number().int().min(1) })) }),
    bodyBytesMax: 2_000,
    reply: z.object({ count: z.number() }),
    errors: ['shop/sold-out'],
    audit: 'shop.order',
  }),
  putPicture: route({
    method: 'PUT',
    path: '/shop/picture',
    summary: 'Send a picture',
    permission: 'shop:write',
    upload: ['image/png', 'text/plain'],
    bodyBytesMax: 100_000,
    reply: z.object({ contentType: z.string(), bytes: z.number(), sum: z.number() }),
    audit: 'shop.put-picture',
  }),
  fail: route({
    method: 'GET',
    path: '/shop/fail',
    summary: 'Fail',
    permission: 'shop:read',
    reply: z.object({}),
  }),
});

const shop = routeGroup(shopContract, {
  listItems: async ({ params, query }, ctx) => ({
    shop: params.shop,
    limit: query.limit,
    tag: query.tag ?? null,
    actor: ctx.actor.id,
  }),
  order: async ({ body }) => {
    const gone = body.items.find((item) => item.name === 'moon');
    if (gone) throw shopErrors['sold-out']('the moon is sold out', [{ path: 'items.0.name', message: 'sold out' }]);
    return { count: body.items.reduce((sum, item) => sum + item.count, 0) };
  },
  putPicture: async ({ upload }) => {
    let [bytes, sum] = [0, 0];
    for await (const chunk of upload.bytes) {
      bytes += chunk.byteLength;
      for (const byte of chunk) sum += byte;
    }
    return { contentType: upload.contentType, bytes, sum };
  },
  fail: async () => {
    throw new Error('the password is hunter2');
  },
});

async function openShop(t: TestContext, groups: readonly RouteGroup[] = [shop], localRole?: string) {
  const metrics = createMetrics('test');
  const tokens = new Map([['ada-token', { id: 'user:ada', roles: ['editor'] }]]);
  const server = openHttpServer({
    groups,
    authenticator: tokenAuthenticator(tokens, localRole === undefined ? {} : { localRole }),
    system: { clock: new ManualClock(), ids: sequenceIds(), random: seededRandom(1) },
    logger: createLogger('test', 'silent'),
    metrics,
  });
  const baseUrl = await server.listen('127.0.0.1', 0);
  t.after(() => server.close());
  return { baseUrl, metrics, client: createClient(shopContract, { baseUrl, token: 'ada-token' }) };
}

const problemOf = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => assert.fail('was not refused'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ProblemError, String(error));
  return error.problem;
};

test('a call of the typed client reaches its handler with parsed parameters, query and defaults', async (t) => {
  const { client } = await openShop(t);

  const odd = 'Käse & Brot/100 % ?#';
  assert.deepEqual(await client.listItems({ params: { shop: odd }, query: { limit: 5, tag: 'a b&c=d' } }), {
    shop: odd,
    limit: 5,
    tag: 'a b&c=d',
    actor: 'user:ada',
  });
  const plain = await client.listItems({ params: { shop: 'x' } });
  assert.deepEqual([plain.limit, plain.tag], [100, null]);
  assert.deepEqual(await client.order({ body: { items: [{ name: 'star', count: 2 }] } }), { count: 2 });
});

test('uploads arrive byte by byte, whatever their type, up to their limit', async (t) => {
  const { client } = await openShop(t);
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 256);
  const sum = bytes.reduce((total, byte) => total + byte, 0);

  for (const contentType of ['image/png', 'text/plain']) {
    const reply = await client.putPicture({ upload: { contentType, bytes } });
    assert.deepEqual(reply, { contentType, bytes: 100_000, sum });
  }
  const empty = await client.putPicture({ upload: { contentType: 'image/png', bytes: new Uint8Array(0) } });
  assert.equal(empty.bytes, 0);
  const large = client.putPicture({ upload: { contentType: 'image/png', bytes: new Uint8Array(100_001) } });
  assert.equal((await problemOf(large)).code, 'http/too-large');
});

test('an expected error arrives with its code, its fields and the number of the request', async (t) => {
  const { client } = await openShop(t);

  const problem = await problemOf(client.order({ body: { items: [{ name: 'moon', count: 1 }] } }));

  assert.deepEqual(problem, {
    type: 'https://kedge.dev/errors/shop/sold-out',
    title: 'There is none left',
    status: 409,
    detail: 'the moon is sold out',
    code: 'shop/sold-out',
    instance: problem.instance,
    fields: [{ path: 'items.0.name', message: 'sold out' }],
  });
  assert.match(problem.instance ?? '', /^req_/);
});

test('every field that does not fit is named by its path', async (t) => {
  const { client } = await openShop(t);
  const items = [
    { name: 'a', count: 1 },
    { name: 'b', count: 0 },
  ];

  const problem = await problemOf(client.order({ body: { items } }));

  assert.equal(problem.status, 400);
  assert.deepEqual(
    problem.fields?.map((field) => field.path),
    ['body.items.1.count'],
  );
});

test('a failure that nobody expected does not tell its words', async (t) => {
  const { client } = await openShop(t);

  const problem = await problemOf(client.fail());

  assert.equal(problem.code, 'http/internal');
  assert.doesNotMatch(JSON.stringify(problem), /hunter2/);
  assert.ok(problem.detail.includes(problem.instance ?? 'none'));
});

test('an answer that is not from Kedge becomes a problem with its status', async () => {
  const client = createClient(shopContract, {
    baseUrl: 'http://127.0.0.1',
    fetch: async () => new Response('<html>Bad gateway</html>', { status: 502, statusText: 'Bad Gateway' }),
  });

  const problem = await problemOf(client.fail());

  assert.deepEqual([problem.code, problem.status], ['http/unexpected', 502]);
  assert.match(problem.detail, /Bad gateway/);
});

test('a path that cannot be decoded is a problem like any other', async (t) => {
  const { baseUrl } = await openShop(t);

  const response = await fetch(`${baseUrl}/shop/%zz/items`);

  assert.equal(response.status, 400);
  assert.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8');
  assert.equal(((await response.json()) as { code: string }).code, 'http/invalid-input');
});

test('without a token a request from this machine has the local role, if there is one, and no more', async (t) => {
  const { baseUrl } = await openShop(t, [shop], 'viewer');
  const client = createClient(shopContract, { baseUrl });

  assert.equal((await client.listItems({ params: { shop: 'x' } })).actor, 'user:local');
  assert.equal((await problemOf(client.order({ body: { items: [] } }))).code, 'access/forbidden');
  const wrong = createClient(shopContract, { baseUrl, token: 'not this' });
  assert.equal((await problemOf(wrong.fail())).code, 'access/unauthenticated');
});

test('the scheme of the token may be written in any case', async (t) => {
  const { baseUrl } = await openShop(t);

  const response = await fetch(`${baseUrl}/shop/x/items`, { headers: { authorization: 'bearer ada-token' } });

  assert.equal(response.status, 200);
});

test('the duration of each request is counted under its route and status', async (t) => {
  const { client, metrics } = await openShop(t);
  await client.order({ body: { items: [] } });
  await problemOf(client.fail());

  // The answer may be read before the server has closed its books on it.
  const counts = async () =>
    (await metrics.expose()).split('\n').filter((line) => line.startsWith('kedge_http_request_seconds_count'));
  for (let turn = 0; turn < 1_000 && (await counts()).length < 2; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [ordered, failed] = (await counts()).sort((a, b) => Number(a.includes('fail')) - Number(b.includes('fail')));
  assert.match(ordered ?? '', /(?=.*route="\/shop\/orders")(?=.*status="200").* 1$/);
  assert.match(failed ?? '', /(?=.*route="\/shop\/fail")(?=.*status="500").* 1$/);
});

test('a route without a handler is found when the server is opened', async (t) => {
  await assert.rejects(openShop(t, [{ routes: shopContract, handlers: {} }]), /listItems has no handler/);
});

const noteContract = contract({
  writeNote: route({
    method: 'POST',
    path: '/notes',
    summary: 'Write',
    permission: 'notes:write',
    body: z.object({ audited: z.boolean() }),
    reply: z.object({}),
    audit: 'note.write',
  }),
});

forEachDialect('Changes over HTTP', [], (open) => {
  test('a change is audited under the action of its route and the actor of its request, or fails', async (t) => {
    const { db, close } = await open();
    const notes = routeGroup(noteContract, {
      writeNote: ({ body }, ctx) =>
        db.transact(ctx, async (tx) => {
          if (body.audited) tx.audit('note/1');
          return {};
        }),
    });
    const { baseUrl } = await openShop(t, [notes]);
    const client = createClient(noteContract, { baseUrl, token: 'ada-token' });

    await client.writeNote({ body: { audited: true } });
    const silent = await problemOf(client.writeNote({ body: { audited: false } }));

    const rows = await db.reader.selectFrom('audit').select(['actor', 'action', 'subject']).execute();
    assert.equal(silent.code, 'http/internal');
    assert.deepEqual(
      rows.map((row) => ({ ...row })),
      [{ actor: 'user:ada', action: 'note.write', subject: 'note/1' }],
    );
    await close();
  });
});
