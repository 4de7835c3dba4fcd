import assert from 'node:assert/strict';
import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from 'node:http2';
import { after, before, describe, test } from 'node:test';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { ManualClock } from '#core/clock';
import { BodyBudget } from '../../http/http-message.ts';
import type { RpcCall } from './rpc-call.ts';
import { RpcServer } from './rpc-server.ts';
import { STATUS } from './status.ts';

const BYTES_MAX = 100_000;
const asIs = { requestDeserialize: (bytes: Buffer) => bytes, responseSerialize: (bytes: object) => bytes as Buffer };
const unary = (path: string) => ({ path, requestStream: false, ...asIs });
const prefixed = (message: Buffer, flag = 0, length = message.length): Buffer => {
  const head = Buffer.from([flag, 0, 0, 0, 0]);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
};
const pong = Buffer.from('pong');

interface Ended {
  readonly http: number;
  readonly status: number;
  readonly message: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, unknown>>;
}

describe('a server of gRPC', { timeout: 120_000 }, () => {
  const clock = new ManualClock();
  const budget = new BodyBudget(1_000_000);
  const waiting: RpcCall[] = [];
  const paused: RpcCall[] = [];
  let server: RpcServer;
  let address: string;
  let client: Client;
  let session: ClientHttp2Session;

  before(async () => {
    const refusalOf = () => ({ code: STATUS.INTERNAL, details: 'a bug' });
    server = new RpcServer({ clock, limits: { messageBytesMax: BYTES_MAX, budget, refusalOf } });
    server.serve(unary('/t/Echo'), { one: (request, call) => call.answer(prefixed(request as Buffer)) });
    server.serve(unary('/t/Wait'), { one: (_request, call) => waiting.push(call) });
    server.serve(unary('/t/Fail'), {
      one(_request, call) {
        call.addHead([['Deprecation', '@1']]);
        call.fail({ code: STATUS.NOT_FOUND, details: '100 % Zürich\n☂', metadata: [['grpc-retry-pushback-ms', '7']] });
      },
    });
    server.serve(unary('/t/Throw'), {
      one() {
        throw new Error('not for clients');
      },
    });
    server.serve(
      { ...unary('/t/Chat'), requestStream: true },
      { many: (call) => ({ message: (message) => void call.send(message), ended: () => call.end() }) },
    );
    server.serve(
      { ...unary('/t/Pause'), requestStream: true },
      {
        many(call) {
          call.pause();
          paused.push(call);
          return { message: () => undefined, ended: () => undefined };
        },
      },
    );
    address = `127.0.0.1:${await server.listen('127.0.0.1', 0)}`;
    client = new Client(address, credentials.createInsecure());
    session = connect(`http://${address}`);
  });
  after(async () => {
    client.close();
    session.destroy();
    await server.close(0);
  });

  const same = (bytes: Buffer): Buffer => bytes;
  const ask = (path: string, message: Buffer, options: object = {}, from: Client = client) =>
    new Promise<Buffer>((resolve, reject) => {
      from.makeUnaryRequest(path, same, same, message, new Metadata(), options, (error, answer) =>
        error ? reject(error) : resolve(answer as Buffer),
      );
    });
  const POST = { ':method': 'POST', ':path': '/t/Echo', 'content-type': 'application/grpc', te: 'trailers' };

  /** Sends what no client would, and tells how the stream ends. */
  function send(headers: OutgoingHttpHeaders, bytes: readonly Buffer[], ends = true): Promise<Ended> {
    const stream = session.request({ ...POST, ...headers });
    const chunks: Buffer[] = [];
    let told: Readonly<Record<string, unknown>> = {};
    const read = (more: Readonly<Record<string, unknown>>): void => {
      told = { ...told, ...more };
    };
    stream
      .on('response', read)
      .on('trailers', read)
      .on('data', (chunk: Buffer) => chunks.push(chunk));
    for (const each of bytes) stream.write(each);
    if (ends) stream.end();
    return new Promise((resolve, reject) => {
      stream.on('error', reject).on('close', () =>
        resolve({
          ...{ http: Number(told[':status']), status: Number(told['grpc-status'] ?? -1), headers: told },
          ...{ message: decodeURIComponent(String(told['grpc-message'] ?? '')), body: Buffer.concat(chunks) },
        }),
      );
    });
  }
  const answered = (): never => assert.fail('was answered');
  const answersAsEver = async (): Promise<void> => assert.deepEqual(await ask('/t/Echo', pong), pong);
  const nothingIsHeld = (): void => {
    budget.take(1_000_000);
    budget.give(1_000_000);
  };

  test('answers calls of other implementations, compressed ones and streams too', async () => {
    await answersAsEver();
    assert.equal((await ask('/t/Echo', Buffer.alloc(0))).length, 0);
    for (const algorithm of [1, 2]) {
      const zipping = new Client(address, credentials.createInsecure(), {
        'grpc.default_compression_algorithm': algorithm,
      });
      const large = Buffer.alloc(50_000, 'ab');
      assert.deepEqual(await ask('/t/Echo', large, {}, zipping), large);
      zipping.close();
    }
    const chat = client.makeBidiStreamRequest('/t/Chat', same, same);
    const heard: string[] = [];
    chat.on('data', (message: Buffer) => heard.push(message.toString()));
    for (let i = 0; i < 50; i++) chat.write(Buffer.from(String(i)));
    chat.end();
    await new Promise((resolve) => chat.once('end', resolve));
    assert.deepEqual(
      heard,
      Array.from({ length: 50 }, (_, i) => String(i)),
    );
  });

  test('tells an error with its text and metadata, and of a bug nothing', async () => {
    const told: Metadata[] = [];
    const error = await new Promise<ServiceError | null>((resolve) => {
      const call = client.makeUnaryRequest('/t/Fail', same, same, pong, (thrown) => resolve(thrown));
      call.on('metadata', (head: Metadata) => told.push(head));
    });
    assert.deepEqual([error?.code, error?.details], [5, '100 % Zürich\n☂']);
    assert.deepEqual(error?.metadata.get('grpc-retry-pushback-ms'), ['7']);
    assert.deepEqual(
      told.map((head) => head.get('deprecation')),
      [['@1']],
    );
    await assert.rejects(ask('/t/Throw', pong), { code: 13, details: 'a bug' });
    await assert.rejects(ask('/t/Nothing', pong), { code: 12 });
  });

  test('ends a call at its deadline, and tells its work that a client has left', async () => {
    const late = ask('/t/Wait', pong, { deadline: Date.now() + 3_600_000 }).then(
      answered,
      (error: ServiceError) => error,
    );
    while (waiting.length < 1) await new Promise(setImmediate);
    await clock.advance(3_700_000);
    assert.equal((await late).code, 4);
    const call = client.makeUnaryRequest('/t/Wait', same, same, pong, () => undefined);
    while (waiting.length < 2) await new Promise(setImmediate);
    const left = new Promise<void>((resolve) => waiting[1]?.onGone(resolve));
    call.cancel();
    await left;
    waiting[1]?.answer(prefixed(pong));
    await answersAsEver();
  });

  test('refuses what is not a call of gRPC by a status of HTTP', async () => {
    for (const type of ['application/json', 'application/grpc-web', 'application/grpc+json', '']) {
      assert.equal((await send({ 'content-type': type }, [prefixed(pong)])).http, 415, type);
    }
    assert.equal((await send({ ':method': 'PUT' }, [prefixed(pong)])).http, 405);
    assert.equal((await send({ 'content-type': 'application/grpc; charset=x' }, [prefixed(pong)])).status, 0);
    await answersAsEver();
  });

  test('refuses messages that are not whole, too many, too large, or not as they say', async () => {
    const cases: readonly (readonly [string, number, OutgoingHttpHeaders, readonly Buffer[]])[] = [
      ['no message', 12, {}, []],
      ['two messages', 12, {}, [prefixed(pong), prefixed(pong)]],
      ['a prefix that is cut off', 13, {}, [prefixed(pong).subarray(0, 3)]],
      ['a message that is cut off', 13, {}, [prefixed(pong).subarray(0, 7)]],
      ['bytes after the message', 13, {}, [prefixed(pong), Buffer.from([0])]],
      ['a flag that there is not', 13, {}, [prefixed(pong, 7)]],
      ['compressed, without saying how', 13, {}, [prefixed(pong, 1)]],
      ['compressed as itself', 13, { 'grpc-encoding': 'identity' }, [prefixed(pong, 1)]],
      ['not compressed as it says', 13, { 'grpc-encoding': 'gzip' }, [prefixed(pong, 1)]],
      ['an encoding that is not read', 12, { 'grpc-encoding': 'br' }, [prefixed(pong, 1)]],
      ['more than the limit', 8, {}, [prefixed(Buffer.alloc(BYTES_MAX + 1))]],
      ['a deadline that is none', 13, { 'grpc-timeout': '1 hour' }, [prefixed(pong)]],
    ];
    for (const [what, status, headers, bytes] of cases) {
      const ended = await send(headers, bytes);
      assert.deepEqual([ended.http, ended.status], [200, status], `${what}: ${ended.message}`);
    }
    const { headers } = await send({ 'grpc-encoding': 'br' }, [prefixed(pong, 1)]);
    assert.equal(headers['grpc-accept-encoding'], 'identity,gzip,deflate');
    assert.equal((await send({}, [prefixed(pong, 0, 0xffffffff)], false)).status, 8);
    nothingIsHeld();
    await answersAsEver();
  });

  test('takes a message in pieces of any size, and gives up one that does not come', async () => {
    const pieces = [...prefixed(pong)].map((byte) => Buffer.from([byte]));
    assert.deepEqual((await send({}, pieces)).body, prefixed(pong));
    const slow = send({}, [prefixed(pong).subarray(0, 6)], false);
    const silent = send({}, [], false);
    for (const ended of [slow, silent]) {
      let status: number | undefined;
      void ended.then((it) => {
        status = it.status;
      });
      while (status === undefined) await clock.advance(10_000);
      assert.equal(status, STATUS.DEADLINE_EXCEEDED);
    }
    nothingIsHeld();
    await answersAsEver();
  });

  test('answers a thousand calls of one connection, and outlives floods of headers and of resets', async () => {
    const ended = await Promise.all(Array.from({ length: 1_000 }, () => send({}, [prefixed(pong)])));
    assert.ok(ended.every(({ status }) => status === 0));
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x-${i}`, 'v']));
    for (const flood of [many, { 'x-large': 'v'.repeat(60_000) }, { 'x-huge': 'v'.repeat(900_000) }]) {
      const other = connect(`http://${address}`, { maxSendHeaderBlockLength: 2_000_000 });
      const stream = other.request({ ...POST, ...flood });
      const told: unknown[] = [];
      stream.on('response', (headers) => told.push(headers['grpc-status'] ?? 'none'));
      await new Promise((resolve) => {
        other.on('error', resolve);
        stream.on('error', resolve).on('close', resolve).resume().end(prefixed(pong));
      });
      assert.ok(told.length === 0 || told[0] === '8', `${Object.keys(flood).length} headers: ${told}`);
      other.destroy();
    }
    const resetting = connect(`http://${address}`);
    const over = new Promise((resolve) => resetting.on('error', resolve).on('close', resolve));
    let open = !resetting.closed;
    void over.then(() => {
      open = false;
    });
    for (let i = 0; i < 20_000 && open; i++) {
      const stream = resetting.request({ ...POST, ':path': '/t/Chat' });
      stream.on('error', () => undefined).close(constants.NGHTTP2_CANCEL);
      if (i % 100 === 0) await new Promise(setImmediate);
    }
    resetting.destroy();
    nothingIsHeld();
    await answersAsEver();
  });

  test('answers nothing to a client that has left a call which takes no messages now', async () => {
    const stream = session.request({ ...POST, ':path': '/t/Pause' });
    stream.write(prefixed(pong));
    while (paused.length === 0) await new Promise(setImmediate);
    stream.write(prefixed(pong));
    stream.close();
    let gone = false;
    paused[0]?.onGone(() => {
      gone = true;
    });
    while (!paused[0]?.isOver) await answersAsEver();
    assert.doesNotThrow(() => paused[0]?.answer(pong));
    while (!gone) await answersAsEver();
    nothingIsHeld();
  });

  test('lets open calls end when it closes, and ends those that go on', async () => {
    const closing = new RpcServer({
      ...{ clock, limits: { messageBytesMax: BYTES_MAX, budget, refusalOf: () => assert.fail() } },
    });
    const calls: RpcCall[] = [];
    closing.serve(unary('/t/Wait'), { one: (_request, call) => calls.push(call) });
    const port = await closing.listen('127.0.0.1', 0);
    const other = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    const asked = [ask('/t/Wait', pong, {}, other), ask('/t/Wait', pong, {}, other)].map((answer) =>
      answer.then(String, (error: ServiceError) => error.code),
    );
    while (calls.length < 2) await new Promise(setImmediate);
    let closed = false;
    const done = closing.close(2_000).then(() => {
      closed = true;
    });
    calls[0]?.answer(prefixed(pong));
    assert.equal(await asked[0], 'pong');
    assert.equal(closed, false);
    await clock.advance(2_000);
    await done;
    assert.ok([1, 13, 14].includes(Number(await asked[1])));
    other.close();
  });
});
