import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '#core/clock';
import { defineErrors } from '#core/errors';
import { sequenceIds } from '#core/ids';
import { seededRandom } from '#core/random';
import { tokenAuthenticator } from '#platform/access';
import { createLogger, createMetrics } from '#platform/observe';
import type { ForeignProtocol, ForeignRoute } from './protocol.ts';
import { openHttpServer } from './server.ts';

const errors = defineErrors('telex', { busy: { status: 409, title: 'The line is busy' } });

/** A protocol that answers in lines of text. */
const telex: ForeignProtocol = {
  name: 'telex',
  prefixes: ['/telex'],
  answerError: ({ code, message }) => ({ headers: { 'content-type': 'text/telex' }, body: `ERR ${code} ${message}` }),
};

const routes: readonly ForeignRoute[] = [
  {
    name: 'telex.echo',
    method: 'POST',
    paths: ['/telex/echo', '/telex/v2/echo/:line'],
    permission: 'telex:write',
    audit: 'telex.echo',
    takes: 'json',
    bodyBytesMax: 200,
    handler: async ({ params, query, body }, ctx) => ({
      body: JSON.stringify({ line: params['line'] ?? null, tags: query.getAll('tag'), body, action: ctx.action }),
    }),
  },
  {
    name: 'telex.send',
    method: 'PUT',
    paths: ['/telex/files/*'],
    permission: 'telex:write',
    audit: 'telex.send',
    takes: 'bytes',
    bodyBytesMax: 300_000,
    async handler({ params, bytes, url }) {
      let total = 0;
      for await (const chunk of bytes) total += chunk.byteLength;
      return {
        status: 201,
        body: (async function* () {
          yield Buffer.from(`${params['*']} ${total} `);
          yield Buffer.from(url);
        })(),
      };
    },
  },
  {
    name: 'telex.fail',
    method: 'GET',
    paths: ['/telex/fail'],
    permission: 'telex:read',
    reads: true,
    handler: async () => {
      throw new Error('secret');
    },
  },
  {
    name: 'telex.busy',
    method: 'GET',
    paths: ['/telex/busy'],
    permission: 'public',
    reads: true,
    handler: async (_request, ctx) => {
      throw errors.busy(`for ${ctx.actor.id}`);
    },
  },
];

async function start(t: TestContext) {
  const tokens = new Map([
    ['writer', { id: 'user:writer', roles: ['editor'] }],
    ['reader', { id: 'user:reader', roles: ['viewer'] }],
  ]);
  const server = openHttpServer({
    groups: [],
    protocols: [
      { protocol: telex, routes: routes.slice(0, 2) },
      { protocol: telex, routes: routes.slice(2) },
    ],
    authenticator: tokenAuthenticator(tokens),
    system: { clock: new ManualClock(0), ids: sequenceIds(), random: seededRandom(1) },
    logger: createLogger('test', 'silent'),
    metrics: createMetrics('test'),
  });
  const url = await server.listen('127.0.0.1', 0);
  t.after(() => server.close());
  return (
    method: string,
    path: string,
    { token = 'writer', body }: { token?: string; body?: string | Uint8Array<ArrayBuffer> } = {},
  ) =>
    fetch(`${url}${path}`, {
      method,
      headers: token ? { authorization: `Bearer ${token}` } : {},
      ...(body === undefined ? {} : { body }),
    });
}

test('routes of several domains serve one protocol, with repeated query keys and JSON of any media type', async (t) => {
  const send = await start(t);
  const reply = await send('POST', '/telex/v2/echo/a%2Fb?tag=1&tag=2', { body: '{"a":[1]}' });
  assert.deepEqual(await reply.json(), { line: 'a/b', tags: ['1', '2'], body: { a: [1] }, action: 'telex.echo' });
  const empty = await send('POST', '/telex/echo');
  assert.deepEqual(await empty.json(), { line: null, tags: [], action: 'telex.echo' });
});

test('bytes are streamed in and out, with the rest of the path decoded and the address as it was sent', async (t) => {
  const send = await start(t);
  const reply = await send('PUT', '/telex/files/a/b%20c', { body: new Uint8Array(200_000) });
  assert.equal(reply.status, 201);
  assert.equal(await reply.text(), 'a/b c 200000 /telex/files/a/b%20c');
});

test('every failure is answered in the form of the protocol, without its secrets', async (t) => {
  const send = await start(t);
  const cases: [Awaited<ReturnType<typeof send>>, number, RegExp][] = [
    [await send('GET', '/telex/busy', { token: '' }), 409, /^ERR telex\/busy for anonymous$/],
    [await send('GET', '/telex/fail'), 500, /^ERR http\/internal (?!.*secret)/],
    [await send('GET', '/telex/unknown'), 404, /^ERR http\/not-found GET \/telex\/unknown$/],
    [await send('DELETE', '/telex/echo'), 404, /^ERR http\/not-found/],
    [await send('POST', '/telex/echo', { body: '{"a":' }), 400, /^ERR http\/invalid-input the body is not JSON/],
    [
      await send('POST', '/telex/echo', { body: Uint8Array.of(34, 255, 34) }),
      400,
      /^ERR http\/invalid-input the body is not JSON in UTF-8/,
    ],
    [await send('POST', '/telex/echo', { body: JSON.stringify('x'.repeat(300)) }), 413, /^ERR http\/too-large/],
    [await send('POST', '/telex/echo', { token: '', body: '{}' }), 401, /^ERR access\/unauthenticated/],
    [await send('POST', '/telex/echo', { token: 'reader', body: '{}' }), 403, /^ERR access\/forbidden/],
  ];
  for (const [reply, status, text] of cases) {
    assert.equal(reply.status, status, reply.url);
    assert.equal(reply.headers.get('content-type'), 'text/telex');
    assert.match(await reply.text(), text);
  }
});
