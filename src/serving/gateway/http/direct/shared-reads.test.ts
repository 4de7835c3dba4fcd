import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { readShared, type SharedReads } from './shared-reads.ts';

const FLOOD = Buffer.alloc(20_000_000, 'all the numbers of a flood. ');

describe('connections that share what they read into', { timeout: 60_000 }, () => {
  const waiting: ((socket: Socket) => void)[] = [];
  const listener = createServer((socket) => waiting.shift()?.(socket));
  before(() => once(listener.listen(0, '127.0.0.1'), 'listening'));
  after(() => listener.close());

  async function accepted(): Promise<{ readonly client: Socket; readonly server: Socket }> {
    const taken = new Promise<Socket>((resolve) => waiting.push(resolve));
    const client = connect((listener.address() as AddressInfo).port, '127.0.0.1');
    return { client, server: await taken };
  }

  function shared(server: Socket, onBytes: (bytes: Buffer) => void): SharedReads {
    const reads = readShared(server, onBytes);
    assert.ok(reads, 'Node reads no more as it did');
    return reads;
  }

  test('read all that comes, in the same memory', async () => {
    const memory = new Set<ArrayBufferLike>();
    let text = '';
    for (const word of ['one', 'two']) {
      const { client, server } = await accepted();
      const { socket } = shared(server, (bytes) => {
        memory.add(bytes.buffer);
        text += bytes;
      });
      client.end(word);
      await once(socket, 'end');
      socket.end();
      await once(client.resume(), 'close');
    }
    assert.equal(text, 'onetwo');
    assert.equal(memory.size, 1);
  });

  test('hand out what they read themselves when they are left, no faster than it is taken', async () => {
    const { client, server } = await accepted();
    const first = Promise.withResolvers<void>();
    const reads = shared(server, () => first.resolve());
    client.write('before');
    await first.promise;
    reads.leave();
    client.end(FLOOD);
    // Nobody listens: what was read waits, and what was not stays with its sender.
    await once(reads.socket, 'readable');
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(reads.socket.readableLength < 1_000_000, `${reads.socket.readableLength} bytes wait`);
    assert.ok(client.writableLength > 0);
    const chunks: Buffer[] = [];
    for await (const chunk of reads.socket) chunks.push(chunk);
    assert.ok(Buffer.concat(chunks).equals(FLOOD));
    reads.socket.destroy();
  });

  test('are counted by who accepted them until they close', async () => {
    const open = (): Promise<number> =>
      new Promise((resolve, reject) => {
        listener.getConnections((error, count) => (error ? reject(error) : resolve(count)));
      });
    const { client, server } = await accepted();
    const { socket } = shared(server, () => undefined);
    assert.equal(await open(), 1);
    client.destroy();
    await once(socket, 'end');
    assert.equal(await open(), 1, 'a side that is open keeps it');
    socket.destroy();
    await once(server, 'close');
    assert.equal(await open(), 0);
  });

  test('are left as they are where they have no handle that can', () => {
    assert.equal(
      readShared(new Socket(), () => assert.fail('it was read')),
      undefined,
    );
  });
});
