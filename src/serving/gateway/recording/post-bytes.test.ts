import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { postingTo } from './post-bytes.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(t: TestContext, answer: Answer): Promise<{ readonly url: string; readonly sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer(answer);
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/at`, sockets };
}

const never = new AbortController().signal;

test('bodies arrive whole with their headers, one after the other over one connection', async (t) => {
  const seen: unknown[] = [];
  const { url, sockets } = await serve(t, async (request, response) => {
    const { method, url: path, headers } = request;
    seen.push([method, path, headers['x-token'], (await buffer(request)).length]);
    response.writeHead(seen.length === 1 ? 200 : 503).end(`answer ${seen.length}`);
  });
  const post = postingTo(url, { 'x-token': 'secret' });

  const first = await post(new Uint8Array(1_000_000), never);
  const second = await post(new Uint8Array(0), never);

  assert.deepEqual(
    [first, second],
    [
      { status: 200, text: 'answer 1' },
      { status: 503, text: 'answer 2' },
    ],
  );
  assert.deepEqual(seen, [
    ['POST', '/at', 'secret', 1_000_000],
    ['POST', '/at', 'secret', 0],
  ]);
  assert.equal(sockets.size, 1);
});

test('a body whose kept connection was closed is sent once more, and one of a new connection is not', async (t) => {
  let requests = 0;
  const { url, sockets } = await serve(t, (request, response) => {
    requests += 1;
    if (requests === 2 || requests > 3) request.socket.destroy();
    else response.end('taken');
  });
  const post = postingTo(url, {});

  assert.equal((await post(new Uint8Array(10), never)).text, 'taken');
  assert.equal((await post(new Uint8Array(10), never)).text, 'taken');
  assert.deepEqual([requests, sockets.size], [3, 2]);

  await assert.rejects(post(new Uint8Array(10), never), { code: 'ECONNRESET' });
  assert.deepEqual([requests, sockets.size], [5, 3]);
  await assert.rejects(postingTo(url.replace(/:\d+/, ':1'), {})(new Uint8Array(1), never), { code: 'ECONNREFUSED' });
});

test('is given up with its signal, before the answer and within it', async (t) => {
  let arrived = (): void => {};
  const { url } = await serve(t, (request, response) => {
    if (request.headers['x-begins']) response.write('the beginning', arrived);
    else arrived();
  });
  for (const headers of [{}, { 'x-begins': 'yes' }]) {
    const leaving = new AbortController();
    arrived = () => leaving.abort();
    const posted = postingTo(url, headers)(new Uint8Array(10), leaving.signal);
    await assert.rejects(posted, (error: Error) => /abort/i.test(`${error.name} ${error.message}`));
  }
});
