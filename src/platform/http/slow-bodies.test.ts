import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { ManualClock } from '#core/clock';
import { sequenceIds } from '#core/ids';
import { seededRandom } from '#core/random';
import { tokenAuthenticator } from '#platform/access';
import { contract, route } from '#platform/contract';
import { createLogger, createMetrics } from '#platform/observe';
import type { ForeignProtocol } from './protocol.ts';
import { openHttpServer, routeGroup } from './server.ts';

const STALL_MS = 8_000;
const WITHIN_MS = 30_000;
const TURN_MS = 5;

const routes = contract({
  order: route({
    method: 'POST',
    path: '/shop/orders',
    summary: 'Order',
    permission: 'shop:write',
    body: z.object({ text: z.string() }),
    reply: z.object({ chars: z.number() }),
    audit: 'shop.order',
  }),
  send: route({
    method: 'PUT',
    path: '/shop/file',
    summary: 'Send a file',
    permission: 'shop:write',
    upload: ['application/octet-stream'],
    reply: z.object({ bytes: z.number() }),
    audit: 'shop.send',
  }),
});

async function counted(bytes: AsyncIterable<Uint8Array>): Promise<number> {
  let total = 0;
  for await (const chunk of bytes) total += chunk.byteLength;
  return total;
}

const foreign: ForeignProtocol = {
  name: 'foreign',
  prefixes: ['/foreign'],
  answerError: ({ code }) => ({ headers: { 'content-type': 'text/plain' }, body: `foreign says ${code}` }),
};

async function serve(t: TestContext) {
  const clock = new ManualClock();
  const server = openHttpServer({
    groups: [
      routeGroup(routes, {
        order: async ({ body }) => ({ chars: body.text.length }),
        send: async ({ upload }) => ({ bytes: await counted(upload.bytes) }),
      }),
    ],
    protocols: [
      {
        protocol: foreign,
        routes: [
          {
            name: 'foreign.put',
            method: 'PUT',
            paths: ['/foreign/file'],
            permission: 'shop:write',
            audit: 'foreign.put',
            takes: 'bytes',
            handler: async ({ bytes }) => ({ body: String(await counted(bytes)) }),
          },
        ],
      },
    ],
    authenticator: tokenAuthenticator(new Map([['token', { id: 'user:ada', roles: ['admin'] }]])),
    system: { clock, ids: sequenceIds(), random: seededRandom(1) },
    logger: createLogger('test', 'silent'),
    metrics: createMetrics('test'),
    bodyStallMs: STALL_MS,
  });
  const port = Number(new URL(await server.listen('127.0.0.1', 0)).port);
  const sockets: Socket[] = [];
  server.app.server.on('connection', (socket: Socket) => sockets.push(socket));
  t.after(() => server.close());
  return { clock, port, arrived: () => sockets.reduce((sum, socket) => sum + socket.bytesRead, 0) };
}

/** A request whose head is sent, and whose body is sent by hand. */
function begin(port: number, line: string, bytes: number, type = 'application/octet-stream') {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  let isClosed = false;
  let sent = 0;
  socket.on('data', (chunk) => {
    answer += chunk.toString();
  });
  socket.on('close', () => {
    isClosed = true;
  });
  socket.on('error', () => {});
  const send = (text: string): void => {
    sent += Buffer.byteLength(text);
    socket.write(text);
  };
  const head = ['host: 127.0.0.1', 'authorization: Bearer token', `content-type: ${type}`, `content-length: ${bytes}`];
  send(`${line} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n`);
  return { send, sent: () => sent, answer: () => answer, isClosed: () => isClosed, end: () => socket.destroy() };
}

/** Waits for something that happens on the other side of a socket, doing a bit of work each time it has not. */
async function until(holds: () => boolean, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
  const end = performance.now() + WITHIN_MS;
  while (!holds()) {
    assert.ok(performance.now() < end, 'it does not happen');
    await meanwhile();
    await new Promise((resolve) => setTimeout(resolve, TURN_MS));
  }
}

for (const [line, type, says] of [
  ['POST /shop/orders', 'application/json', /"code":"http\/too-slow"/],
  ['PUT /shop/file', 'application/octet-stream', /"code":"http\/too-slow"/],
  ['PUT /foreign/file', 'application/octet-stream', /foreign says http\/too-slow/],
] as const) {
  test(`${line} with a body that stands still, or comes by the byte, is answered 408 and cut off`, async (t) => {
    const { clock, port, arrived } = await serve(t);
    for (const piece of ['', ' ']) {
      const before = arrived();
      const request = begin(port, line, 5_000, type);
      request.send('{"text": "');
      await until(() => arrived() - before === request.sent());
      await until(request.isClosed, async () => {
        if (piece !== '' && !request.isClosed()) request.send(piece);
        await clock.advance(STALL_MS / 4);
      });
      assert.match(request.answer(), /^HTTP\/1\.1 408 /);
      assert.match(request.answer(), /\r\nconnection: close\r\n/i);
      assert.match(request.answer(), says);
    }
  });
}

test('a body that moves may take as long as it needs, and so may the answer', async (t) => {
  const { clock, port, arrived } = await serve(t);
  const pieces = 12;
  const request = begin(port, 'PUT /shop/file', pieces * 1_024);
  for (let i = 0; i < pieces; i++) {
    request.send('x'.repeat(1_024));
    await until(() => arrived() === request.sent());
    await clock.advance(STALL_MS / 2);
  }
  await until(() => request.answer().includes(`{"bytes":${pieces * 1_024}}`));
  assert.match(request.answer(), /^HTTP\/1\.1 200 /);
  await clock.advance(STALL_MS * 3);
  assert.equal(request.isClosed(), false, 'the connection is kept for the next request');
  request.end();
});
