import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { ManualClock } from '#core/clock';
import { sequenceIds } from '#core/ids';
import { seededRandom } from '#core/random';
import { tokenAuthenticator } from '#platform/access';
import { contract, route } from '#platform/contract';
import { createLogger, createMetrics } from '#platform/observe';
import { openHttpServer, routeGroup } from './server.ts';

const WITHIN_MS = 30_000;
const SENT = 4_000_000;
const READ_ON = 2_000_000;

/** Knows how many timers are set. */
class CountingClock extends ManualClock {
  timers = 0;

  override after(delayMs: number, callback: () => void): () => void {
    this.timers += 1;
    let isOver = false;
    const over = (): void => {
      if (!isOver) this.timers -= 1;
      isOver = true;
    };
    const cancel = super.after(delayMs, () => {
      over();
      callback();
    });
    return () => {
      over();
      cancel();
    };
  }
}

const routes = contract({
  order: route({
    method: 'POST',
    path: '/shop/orders',
    summary: 'Order',
    permission: 'shop:write',
    body: z.object({ text: z.string() }),
    bodyBytesMax: 1_000,
    reply: z.object({ chars: z.number() }),
    audit: 'shop.order',
  }),
});

async function serve(t: TestContext, refusedBytesMax: number) {
  const clock = new CountingClock();
  const server = openHttpServer({
    groups: [routeGroup(routes, { order: async ({ body }) => ({ chars: body.text.length }) })],
    authenticator: tokenAuthenticator(new Map([['token', { id: 'user:ada', roles: ['admin'] }]])),
    system: { clock, ids: sequenceIds(), random: seededRandom(1) },
    logger: createLogger('test', 'silent'),
    metrics: createMetrics('test'),
    refusedBytesMax,
  });
  const port = Number(new URL(await server.listen('127.0.0.1', 0)).port);
  t.after(() => server.close());
  const socket = connect(port, '127.0.0.1').setEncoding('utf8');
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return { clock, socket };
}

function begin(socket: Socket, bytes: number): void {
  const head = ['host: 127.0.0.1', 'authorization: Bearer token', 'content-type: application/json'];
  socket.write(`POST /shop/orders HTTP/1.1\r\n${head.join('\r\n')}\r\ncontent-length: ${bytes}\r\n\r\n`);
}

async function answered(socket: Socket, status: number): Promise<void> {
  const [answer] = (await once(socket, 'data', { signal: AbortSignal.timeout(WITHIN_MS) })) as [string];
  assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
}

async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + WITHIN_MS;
  while (!holds()) {
    assert.ok(performance.now() < end, 'it does not happen');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a client that leaves with its answer, the refused body half sent, is not waited for', async (t) => {
  const { clock, socket } = await serve(t, SENT);
  begin(socket, SENT);
  socket.write('x'.repeat(10_000));
  await answered(socket, 413);
  assert.equal(clock.timers, 1);

  socket.destroy();
  await until(() => clock.timers === 0);
});

test('a client that sends all of a refused body goes on with the same connection, as often as it likes', async (t) => {
  const { clock, socket } = await serve(t, SENT);
  // A warning about listeners that are never taken away would come with the eleventh.
  for (let i = 0; i < 12; i++) {
    begin(socket, 20_000);
    socket.write('x'.repeat(20_000));
    await answered(socket, 413);
    await until(() => clock.timers === 0);
    assert.ok(socket.listenerCount('close') < 5);
  }
  const body = '{"text":"moon"}';
  begin(socket, body.length);
  socket.write(body);
  await answered(socket, 200);
});

test('so much of a refused body is read on, and the connection cut after it', async (t) => {
  const { clock, socket } = await serve(t, READ_ON);
  begin(socket, 100 * SENT);
  await answered(socket, 413);
  for (let i = 0; i < 10; i++) socket.write('x'.repeat(SENT));
  await until(() => socket.destroyed);
  await until(() => clock.timers === 0);
});
