import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { ManualClock } from '#core/clock';
import { BodyBudget, type HttpRequest, type HttpResponse } from '../http-message.ts';
import { HttpServer } from '../http-server.ts';
import { DirectConnections } from './direct-connections.ts';
import { DirectRequest } from './direct-message.ts';
import { Client, post } from './testing.ts';

const limits = { bytesMax: 1_000, budget: new BodyBudget(1_000_000) };

/** More than the buffers between two sockets hold. */
const FLOOD_BYTES = 30_000_000;

/**
 * Answers with what it was sent; `/late` in a later turn, `/asked-late` when it has asked for it in a later turn,
 * `/glance` where it lies, `/refused` without the body, `/last` with the end.
 */
function echo(request: HttpRequest, response: HttpResponse): void {
  const { url, method } = request;
  if (url === '/refused') {
    request.discardBody();
    response.send(429, ['Content-Type', 'text/plain'], 'refused');
    return;
  }
  if (url === '/flood') {
    request.discardBody();
    response.send(429, [], 'x'.repeat(FLOOD_BYTES));
    return;
  }
  if (url === '/last') response.endConnection();
  const answer = (body: Buffer): void => response.send(200, ['Content-Type', 'text/plain'], `${method} ${url} ${body}`);
  const glance = (body: Buffer): boolean => {
    if (url !== '/glance') return false;
    answer(body);
    return true;
  };
  const read = (): void =>
    request.readBody(limits, {
      glance,
      done: (body) => (url === '/late' ? setTimeout(() => answer(body), 5) : answer(body)),
      fail: (error) => {
        response.endConnection();
        response.send(413, [], error.message);
      },
    });
  if (url === '/asked-late') setTimeout(read, 20);
  else read();
}

/** A connection that was accepted, and what reads from it in whatever socket. */
interface Accepted {
  readonly socket: Socket;
  readonly handle: { readonly bytesRead: number };
}

describe('a server that reads plain requests directly', { timeout: 60_000 }, () => {
  const server = new HttpServer({ serve: echo, tls: undefined, listens: true });
  const clients: Client[] = [];
  before(() => server.listen('127.0.0.1', 0));
  after(async () => {
    for (const { socket } of clients) socket.destroy();
    const closed = server.close();
    server.closeAllConnections();
    await closed;
  });
  function open(): Client {
    const client = new Client(server.port);
    clients.push(client);
    return client;
  }

  test('answers one request after the other, in however many pieces they come', async () => {
    const client = open();
    const request = post('/a', '{"x": 1}', 'X-Y: z');
    for (let cut = 1; cut < request.length; cut++) {
      client.text = '';
      client.socket.write(request.slice(0, cut));
      // A turn in which the server has read what there is.
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      client.socket.write(request.slice(cut));
      await client.got('HTTP/1.1 200 OK\r\n', 'Connection: keep-alive\r\n', '\r\n\r\nPOST /a {"x": 1}');
    }
  });

  test('keeps what one connection has sent apart from what another sends', async () => {
    for (const path of ['/late', '/asked-late', '/glance']) {
      const many = Array.from({ length: 20 }, open);
      for (const [i, { socket }] of many.entries()) socket.write(post(path, `${i}`.repeat(300)));
      for (const [i, client] of many.entries()) await client.got(`POST ${path} ${`${i}`.repeat(300)}`);
    }
  });

  test('has all of a body that came before it was asked for, in however many pieces', async () => {
    const [client, other] = [open(), open()];
    const request = post('/asked-late', 'abcdef');
    for (const cuts of [[], [-1], [-3, -1]]) {
      client.text = '';
      for (const [from, to] of [...cuts, request.length].map((cut, i) => [cuts[i - 1] ?? 0, cut] as const)) {
        client.socket.write(request.slice(from, to));
        other.socket.write(post('/glance', 'another'));
        await other.got('another');
        other.text = '';
      }
      await client.got('POST /asked-late abcdef');
    }
  });

  test('counts bytes of the answer, not characters', async () => {
    const client = open();
    client.socket.write(post('/ü'.replace('ü', '%C3%BC'), '"ü€"'));
    await client.got('Content-Length: 20\r\n\r\nPOST /%C3%BC "ü€"');
  });

  test('leaves what is not plain to node:http, and the connection with it', async () => {
    const client = open();
    client.socket.write(post('/a', '1'));
    await client.got('POST /a 1');
    client.socket.write('POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
    await client.got('POST /b abc');
    client.socket.write(post('/c', 'x'.repeat(600)));
    await client.got('POST /c xxx');
    client.socket.write(post('/d', 'continued', 'Expect: 100-continue'));
    await client.got('100 Continue', 'POST /d continued');
    client.socket.write('nonsense\r\n\r\n');
    await once(client.socket, 'close');
    assert.match(client.text, /400 Bad Request/);
  });

  test('answers requests that do not wait for one another in their order', async () => {
    const client = open();
    client.socket.write(post('/late', '1') + post('/a', '2') + post('/late', '3'));
    await client.got('POST /late 1', 'POST /a 2', 'POST /late 3');
    const other = open();
    other.socket.write(post('/late', '1'));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    other.socket.write(post('/a', '2') + post('/a', '3').slice(0, 30));
    other.socket.write(post('/a', '3').slice(30));
    await other.got('POST /late 1', 'POST /a 2', 'POST /a 3');
  });

  test('a request that is refused by its head alone has its body forgotten', async () => {
    const client = open();
    const refused = post('/refused', 'body of it');
    client.socket.write(refused.slice(0, -10));
    await client.got('429 Too Many Requests', 'refused');
    client.socket.write(refused.slice(-10, -4));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    client.socket.write(refused.slice(-4) + post('/a', 'next'));
    await client.got('refused', 'POST /a next');
  });

  test('a client that reads late what it was refused with is answered what it asks next', async () => {
    const client = open();
    const [head, body] = [post('/flood', 'body').slice(0, -4), 'body'];
    client.socket.pause();
    client.socket.write(head);
    let bytes = 0;
    const all = new Promise<void>((resolve) => {
      client.socket.removeAllListeners('data').on('data', (chunk) => {
        bytes += chunk.length;
        if (bytes > FLOOD_BYTES) resolve();
      });
    });
    client.socket.pause();
    // Until the server has written what it can, and waits for its client to read.
    while (client.socket.bytesWritten < head.length) await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    client.socket.write(body);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    client.socket.resume();
    await all;
    client.socket.on('data', (chunk) => client.take(chunk));
    client.socket.write(post('/a', 'next'));
    await client.got('POST /a next');
  });

  test('a body past the limit ends the connection with its answer', async () => {
    for (const bytes of [1_001, 70_000]) {
      const client = open();
      client.socket.write(post('/a', 'x'.repeat(bytes)));
      await once(client.socket, 'close');
      assert.match(client.text, /^HTTP\/1\.1 413 [\s\S]*Connection: close\r\n[\s\S]*larger than 1000 bytes/);
    }
  });

  test('an answer that is the last one ends the connection', async () => {
    const client = open();
    client.socket.write(post('/last', '1'));
    await once(client.socket, 'close');
    assert.match(client.text, /Connection: close\r\n[\s\S]*POST \/last 1$/);
  });

  test('a client that closes its side is answered what it asked before', async () => {
    for (const path of ['/a', '/late']) {
      const client = open();
      client.socket.end(post(path, '1'));
      await once(client.socket, 'close');
      assert.match(client.text, new RegExp(`POST ${path} 1$`));
    }
    for (const part of ['', 'POST', post('/a', 'body').slice(0, -2)]) {
      const client = open();
      client.socket.end(part);
      await once(client.socket, 'close');
      assert.match(client.text, part === '' ? /^$/ : /^HTTP\/1\.1 400 /);
    }
  });

  test('a client that closes its side is answered on a connection that another process has accepted', async (t) => {
    const taking = new HttpServer({ serve: echo, tls: undefined, listens: false });
    // As sockets are that come from another process: such a one ends its side with the other.
    const listener = createServer((socket) => taking.take(socket));
    t.after(() => {
      listener.close();
      taking.closeAllConnections();
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    for (const headers of [[], ['Connection: close']]) {
      const client = new Client((listener.address() as AddressInfo).port);
      client.socket.end(post('/late', '1', ...headers));
      await once(client.socket, 'close');
      assert.match(client.text, /POST \/late 1$/, headers.join());
    }
  });

  test('who works at a request is told when its client leaves, and not when it was answered', async (t) => {
    const told: string[] = [];
    let began = (): void => {};
    const watched = new HttpServer({
      serve: (request, response) => {
        response.onGone(() => told.push(request.url));
        if (request.url === '/answered') response.send(200, [], 'ok');
        began();
      },
      ...{ tls: undefined, listens: true },
    });
    await watched.listen('127.0.0.1', 0);
    t.after(async () => {
      const closed = watched.close();
      watched.closeAllConnections();
      await closed;
    });
    for (const headers of [[], ['Connection: close']]) {
      const answered = new Client(watched.port);
      answered.socket.write(post('/answered', '', ...headers));
      await answered.got('200 OK', 'ok');
      answered.socket.destroy();
      const leaving = new Client(watched.port);
      const begun = new Promise<void>((resolve) => {
        began = resolve;
      });
      leaving.socket.write(post('/left', '', ...headers));
      await begun;
      leaving.socket.destroy();
    }
    while (told.length < 2 || (await watched.connections()) > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(told, ['/left', '/left']);
  });

  test('bodies that are on their way are counted until their client has left', async () => {
    const budget = new BodyBudget(10);
    const failed: string[] = [];
    const narrow = new HttpServer({
      serve: (request, response) =>
        request.readBody(
          { bytesMax: 100, budget },
          {
            done: (body) => response.send(200, [], `got ${body}`),
            fail: (error) => {
              failed.push(error.message);
              response.send(503, [], 'busy');
            },
          },
        ),
      ...{ tls: undefined, listens: true },
    });
    await narrow.listen('127.0.0.1', 0);
    const [first, second] = [new Client(narrow.port), new Client(narrow.port)];
    const request = post('/a', '12345678');
    first.socket.write(request.slice(0, -1));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    second.socket.write(request.slice(0, -1));
    await second.got('503', 'busy');
    assert.match(failed[0] ?? '', /bodies of 10 bytes/);
    first.socket.destroy();
    while ((await narrow.connections()) > 1) await new Promise((resolve) => setImmediate(resolve));
    const third = new Client(narrow.port);
    third.socket.write(request.slice(0, -1));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    third.socket.write(request.slice(-1));
    await third.got('got 12345678');
    const closed = narrow.close();
    narrow.closeAllConnections();
    await closed;
  });
});

test('a body is not waited for that is asked for when its client has left', () => {
  const budget = new BodyBudget(10);
  const head = { method: 'POST', url: '/a', headers: {}, bytes: 30, bodyBytes: 10 } as const;
  const request = new DirectRequest(head, Buffer.from('half'));
  request.leave();
  request.readBody({ bytesMax: 100, budget }, { done: () => assert.fail('it was read'), fail: assert.fail });
  budget.take(10);
});

describe('connections that are read directly', { timeout: 60_000 }, () => {
  const clock = new ManualClock();
  const connections = new DirectConnections({
    clock,
    serve: (request, response) => {
      if (request.url !== '/never')
        request.readBody(limits, { done: () => response.send(200, [], 'ok'), fail: assert.fail });
    },
    handOver: (socket) => socket.end('handed over'),
    headTimeoutMs: 10_000,
    requestTimeoutMs: 20_000,
    keepAliveMs: 65_000,
    halfClosedMs: 100,
    checkEveryMs: 5_000,
  });
  const accepted: Accepted[] = [];
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push({ socket, handle: (socket as Socket & { readonly _handle: Accepted['handle'] })._handle });
    connections.take(socket);
  });
  before(() => new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve)));
  after(() => {
    connections.closeAll();
    listener.close();
  });

  async function open(): Promise<Client> {
    const known = accepted.length;
    const client = new Client((listener.address() as AddressInfo).port);
    while (accepted.length === known) await new Promise((resolve) => setImmediate(resolve));
    return client;
  }

  async function sent(client: Client, text: string): Promise<void> {
    const reads = accepted.at(-1);
    assert.ok(reads);
    const before = reads.handle.bytesRead;
    client.socket.write(text);
    while (reads.handle.bytesRead < before + text.length) await new Promise((resolve) => setImmediate(resolve));
  }

  test('one that sends nothing, half a head or half a body is told so and closed after its time', async () => {
    for (const [part, limitMs] of [
      ['', 10_000],
      ['POST /a HT', 10_000],
      [post('/a', 'body').slice(0, -1), 20_000],
    ] as const) {
      const client = await open();
      await sent(client, part);
      await clock.advance(limitMs - 5_000);
      assert.equal(client.text, '');
      await clock.advance(10_000);
      await once(client.socket, 'close');
      assert.match(client.text, /^HTTP\/1\.1 408 /, part);
    }
  });

  test('one that asks nothing more is closed later, without a word, and one in work never', async () => {
    const [idle, working] = [await open(), await open()];
    await sent(working, post('/never', ''));
    idle.socket.write(post('/a', ''));
    await idle.got('ok');
    const { text } = idle;
    await clock.advance(60_000);
    assert.equal(idle.socket.readyState, 'open');
    const closed = once(idle.socket, 'close');
    await clock.advance(15_000);
    await closed;
    assert.equal(idle.text, text);
    assert.equal(working.socket.readyState, 'open');
    connections.closeIdle();
    assert.equal(accepted.at(-1)?.socket.destroyed, false);
  });
});
