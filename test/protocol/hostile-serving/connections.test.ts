import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type GatewayProcess, startGatewayProcess } from '../triton/gateway-process.ts';
import { heldBytes } from './memory.ts';

const SLACK_BYTES = 24 * 1024 * 1024;
const CONNECTIONS = 10_000;
/** Beside the connections, what a process has open anyway. */
const FILES_BESIDE = 500;

const filesMax = Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).replace('unlimited', 'Infinity'));
const skipMany =
  filesMax < CONNECTIONS + FILES_BESIDE &&
  `a process may have ${filesMax} files open; ${CONNECTIONS} connections need more`;

const BODY = JSON.stringify({ inputs: { a: 1, b: 0 } });
const HEAD = `POST /v1/endpoints/delays/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${BODY.length}\r\n`;
const REQUEST = `${HEAD}\r\n${BODY}`;

describe('clients of a gateway that do not behave', { timeout: 600_000 }, () => {
  let gateway: GatewayProcess;
  const sockets: Socket[] = [];
  before(async () => {
    gateway = await startGatewayProcess({}, { inspect: true });
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    await gateway?.stop();
  });

  async function open(): Promise<Socket> {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    sockets.push(socket);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }

  /** Opens connections a few hundred at a time, as many as the queue of the listener takes. */
  async function openMany(count: number): Promise<Socket[]> {
    const opened: Socket[] = [];
    while (opened.length < count) {
      const next = Math.min(250, count - opened.length);
      opened.push(...(await Promise.all(Array.from({ length: next }, open))));
    }
    return opened;
  }

  async function answersAsEver(): Promise<void> {
    const response = await fetch(`${gateway.url}/v1/endpoints/delays/predict`, { method: 'POST', body: BODY });
    assert.equal(response.status, 200);
    await response.arrayBuffer();
    assert.ok(gateway.alive);
  }

  /** A connection that is closed while its client still writes is reset, which is an end as well. */
  async function ended(socket: Socket): Promise<void> {
    if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  }

  async function closeAll(opened: readonly Socket[]): Promise<void> {
    await Promise.all(opened.map((socket) => ended(socket.destroy())));
  }

  /** What is held once the gateway has noticed that its connections are gone. */
  async function grownSince(before: number): Promise<number> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      await answersAsEver();
      const grown = (await heldBytes(gateway.inspector ?? assert.fail('the gateway has no debugger'))) - before;
      if (grown < SLACK_BYTES || Date.now() > deadline) return grown;
    }
  }

  async function settled(): Promise<number> {
    for (let i = 0; i < 50; i++) await answersAsEver();
    return heldBytes(gateway.inspector ?? assert.fail('the gateway has no debugger'));
  }

  test('heads and bodies that never end hold nobody up, and are closed in the end', async (t) => {
    const before = await settled();
    const slow = await openMany(400);
    for (const [i, socket] of slow.entries()) {
      socket.resume();
      // Half of them never end their head; the others have announced a body of which little comes.
      socket.write(i % 2 === 0 ? HEAD : `${HEAD}\r\n{`);
    }
    for (let i = 0; i < 20; i++) await answersAsEver();
    const heads = slow.filter((_, i) => i % 2 === 0);
    // Each goes on sending a little, which must not keep it open.
    const dripping = new AbortController();
    const drip = (async () => {
      for (let turn = 0; !dripping.signal.aborted; turn++) {
        // Now and then, so that the head stays below its own limit.
        if (turn % 200 === 0) for (const socket of heads) if (socket.writable) socket.write('X: 1\r\n');
        await answersAsEver();
      }
    })();
    await Promise.all(heads.map(ended));
    dripping.abort();
    await drip;
    await closeAll(slow);
    const grown = await grownSince(before);
    t.diagnostic(`${Math.round(grown / 1024)} KiB more are held after 400 slow clients`);
    assert.ok(grown < SLACK_BYTES, `${grown} bytes more are held`);
  });

  test('a client that closes its side after its request is answered', async () => {
    const socket = await open();
    socket.end(REQUEST);
    let answer = '';
    for await (const chunk of socket) answer += chunk;
    assert.match(answer, /^HTTP\/1\.1 200 [\s\S]*"probability":0\.73/);
  });

  test('a client that closes its side, or leaves, within its request takes nothing with it', async () => {
    for (const part of ['', 'POST /v1', HEAD, `${HEAD}\r\n{"inputs"`]) {
      const halfClosed = await open();
      halfClosed.resume().end(part);
      await ended(halfClosed);
      const gone = await open();
      gone.write(part);
      gone.resetAndDestroy();
    }
    await answersAsEver();
  });

  test('a client that reads no answer is one that others do not wait for', async () => {
    const deaf = await open();
    deaf.pause();
    const before = await settled();
    for (let i = 0; i < 200; i++) deaf.write(REQUEST.repeat(10));
    for (let i = 0; i < 20; i++) await answersAsEver();
    await closeAll([deaf]);
    assert.ok((await grownSince(before)) < SLACK_BYTES);
  });

  test(`${CONNECTIONS} connections are held at once, each is answered, and their memory comes back`, {
    skip: skipMany,
  }, async (t) => {
    const before = await settled();
    const opened = await openMany(CONNECTIONS);
    await answersAsEver();
    let answered = 0;
    for (let from = 0; from < opened.length; from += 500) {
      await Promise.all(
        opened.slice(from, from + 500).map(async (socket) => {
          socket.write(REQUEST);
          const [chunk] = (await once(socket, 'data')) as [Buffer];
          if (chunk.toString().startsWith('HTTP/1.1 200')) answered += 1;
        }),
      );
    }
    assert.equal(answered, CONNECTIONS);
    const held = (await heldBytes(gateway.inspector ?? '')) - before;
    await closeAll(opened);
    const grown = await grownSince(before);
    t.diagnostic(
      `${Math.round(held / CONNECTIONS)} bytes a connection, ${Math.round(grown / 1024)} KiB more after all`,
    );
    assert.ok(grown < SLACK_BYTES, `${grown} bytes more are held`);
  });
});
