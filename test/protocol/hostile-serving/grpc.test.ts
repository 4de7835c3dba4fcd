import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { load, type ServiceDefinition } from '@grpc/proto-loader';
import { type GatewayProcess, startGatewayProcess } from '../triton/gateway-process.ts';
import { heldBytes } from './memory.ts';
import { writeRepository } from './models.ts';

const PROTO = fileURLToPath(new URL('../../../src/serving/gateway/grpc/inference.proto', import.meta.url));
const SLACK_BYTES = 24 * 1024 * 1024;
const fp32 = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);
const input = (more: object = {}): object => ({ name: 'x', datatype: 'FP32', shape: [1, 1], ...more });
const request = (more: object): object => ({ model_name: 'FP32', inputs: [input()], ...more });
const one = fp32(1);

const CASES: readonly (readonly [what: string, message: object, status: number])[] = [
  ['an unknown model', { model_name: 'nobody' }, status.NOT_FOUND],
  ['an unknown version', request({ model_version: '7', raw_input_contents: [one] }), status.NOT_FOUND],
  ['no model', {}, status.NOT_FOUND],
  ['no inputs', request({ inputs: [] }), status.INVALID_ARGUMENT],
  ['more raw contents than inputs', request({ raw_input_contents: [one, one] }), status.INVALID_ARGUMENT],
  ['fewer bytes than the shape', request({ raw_input_contents: [Buffer.alloc(2)] }), status.INVALID_ARGUMENT],
  ['more bytes than the shape', request({ raw_input_contents: [fp32(1, 2)] }), status.INVALID_ARGUMENT],
  ['no data', request({}), status.INVALID_ARGUMENT],
  [
    'data in both forms',
    request({ inputs: [input({ contents: { fp32_contents: [1] } })], raw_input_contents: [one] }),
    status.INVALID_ARGUMENT,
  ],
  [
    'data in the contents of another datatype',
    request({ inputs: [input({ contents: { int_contents: [1] } })] }),
    status.INVALID_ARGUMENT,
  ],
  [
    'a negative dimension',
    request({ inputs: [input({ shape: [-1, 1] })], raw_input_contents: [one] }),
    status.INVALID_ARGUMENT,
  ],
  [
    'a shape whose size overflows',
    request({ inputs: [input({ shape: ['4611686018427387904', 4] })], raw_input_contents: [one] }),
    status.INVALID_ARGUMENT,
  ],
  [
    'an unknown datatype',
    request({ inputs: [input({ datatype: 'FP8' })], raw_input_contents: [one] }),
    status.INVALID_ARGUMENT,
  ],
  [
    'FP16 as typed contents',
    { model_name: 'FP16', inputs: [input({ datatype: 'FP16', contents: { fp32_contents: [1] } })] },
    status.INVALID_ARGUMENT,
  ],
  [
    'a text whose length runs past its bytes',
    {
      model_name: 'BYTES',
      inputs: [input({ datatype: 'BYTES' })],
      raw_input_contents: [Buffer.from([255, 255, 255, 255, 1])],
    },
    status.INVALID_ARGUMENT,
  ],
  [
    'an output requested twice',
    request({ outputs: [{ name: 'y' }, { name: 'y' }], raw_input_contents: [one] }),
    status.INVALID_ARGUMENT,
  ],
  [
    'shared memory',
    request({ inputs: [input({ parameters: { shared_memory_region: { string_param: 'r' } } })] }),
    status.INVALID_ARGUMENT,
  ],
  [
    'the same input twice',
    request({ inputs: [input(), input()], raw_input_contents: [one, one] }),
    status.INVALID_ARGUMENT,
  ],
];

describe('a gateway that is sent over gRPC what it must not take', { timeout: 600_000 }, () => {
  let folder: string;
  let gateway: GatewayProcess;
  let service: ServiceDefinition;
  let client: Client;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kedge-hostile-grpc-'));
    await writeRepository(folder);
    gateway = await startGatewayProcess({ KEDGE_MODEL_REPOSITORY: folder }, { inspect: true });
    const definition = await load(PROTO, { keepCase: true, longs: String });
    service = definition['inference.GRPCInferenceService'] as ServiceDefinition;
    client = new Client(gateway.grpc, credentials.createInsecure());
  });
  after(async () => {
    client?.close();
    await gateway?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  interface Sent {
    readonly path?: string;
    readonly serialize: (message: object) => Buffer;
  }

  /** The code with which a call ends; 0 when it is answered. */
  function codeOf(message: object, { path, serialize }: Sent): Promise<number> {
    const { path: own, responseDeserialize } = service['ModelInfer'] ?? assert.fail();
    return new Promise((resolve) => {
      client.makeUnaryRequest(path ?? own, serialize, responseDeserialize, message, (error) =>
        resolve((error as ServiceError | null)?.code ?? 0),
      );
    });
  }
  const asMessage = (message: object): Buffer => (service['ModelInfer'] ?? assert.fail()).requestSerialize(message);

  async function answersAsEver(): Promise<void> {
    assert.equal(await codeOf(request({ raw_input_contents: [one] }), { serialize: asMessage }), 0);
    assert.ok(gateway.alive);
  }

  test('answers each call with its status and stays as it was', async (t) => {
    const inspector = gateway.inspector ?? assert.fail('the gateway has no debugger');
    const all = async (): Promise<void> => {
      for (const [what, message, expected] of CASES) {
        assert.equal(await codeOf(message, { serialize: asMessage }), expected, what);
      }
      const big = request({ raw_input_contents: [Buffer.alloc(5_000_000)] });
      assert.equal(await codeOf(big, { serialize: asMessage }), status.RESOURCE_EXHAUSTED, 'past the limit');
      const garbage = { serialize: () => Buffer.from([0xff, 0xff, 0xff, 0xff]) };
      assert.equal(await codeOf({}, garbage), status.INTERNAL, 'bytes that are no message');
      const nested = { serialize: () => nestedGroups(100_000) };
      assert.equal(await codeOf({}, nested), status.INTERNAL, 'groups nested 100,000 levels deep');
      const unknown = { path: '/inference.GRPCInferenceService/Nothing', serialize: asMessage };
      assert.equal(await codeOf({}, unknown), status.UNIMPLEMENTED, 'an unknown call');
      const shared = { path: '/inference.GRPCInferenceService/SystemSharedMemoryStatus', serialize: asMessage };
      assert.equal(await codeOf({}, shared), status.UNIMPLEMENTED, 'a call that is not offered');
    };
    await all();
    const before = await heldBytes(inspector);
    await all();
    const grown = (await heldBytes(inspector)) - before;
    t.diagnostic(`${CASES.length + 5} calls, ${Math.round(grown / 1024)} KiB more are held`);
    assert.ok(grown < SLACK_BYTES, `${grown} bytes more are held`);
    await answersAsEver();
  });

  test('a message that inflates past the limit is refused', async () => {
    const bomb = gzipSync(Buffer.alloc(200_000_000));
    const head = Buffer.alloc(5);
    head.writeUInt8(1);
    head.writeUInt32BE(bomb.length, 1);
    const code = await overHttp2((session) => {
      const stream = session.request({ ...POST, 'grpc-encoding': 'gzip' });
      stream.end(Buffer.concat([head, bomb]));
      return stream;
    });
    assert.equal(code, status.RESOURCE_EXHAUSTED);
    await answersAsEver();
  });

  test('a message that announces more than the limit is refused before it comes', async () => {
    const code = await overHttp2((session) => {
      const stream = session.request(POST);
      stream.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]));
      return stream;
    });
    assert.equal(code, status.RESOURCE_EXHAUSTED);
    await answersAsEver();
  });

  async function statistics(): Promise<Statistics> {
    const response = await fetch(`${gateway.url}/v2/models/FP32/stats`);
    const { model_stats } = (await response.json()) as { readonly model_stats: readonly [Statistics] };
    return model_stats[0];
  }

  const POST = {
    ':method': 'POST',
    ':path': '/inference.GRPCInferenceService/ModelInfer',
    'content-type': 'application/grpc',
    te: 'trailers',
  };

  /** Opens a stream on a connection of its own and tells the status with which it ends. */
  async function overHttp2(open: (session: ClientHttp2Session) => ReturnType<ClientHttp2Session['request']>) {
    const session = connectHttp2(`http://${gateway.grpc}`);
    try {
      return await new Promise<number>((resolve, reject) => {
        session.on('error', reject);
        const stream = open(session);
        const read = (headers: Readonly<Record<string, unknown>>): void => {
          if (headers['grpc-status'] !== undefined) resolve(Number(headers['grpc-status']));
        };
        stream.on('response', read).on('trailers', read).on('error', reject).resume();
      });
    } finally {
      session.destroy();
    }
  }

  test('streams that are opened and reset at once cost nothing that stays', async (t) => {
    const inspector = gateway.inspector ?? assert.fail('the gateway has no debugger');
    await answersAsEver();
    const before = await heldBytes(inspector);
    for (let round = 0; round < 10; round++) {
      const session = connectHttp2(`http://${gateway.grpc}`);
      session.on('error', () => undefined);
      await new Promise((resolve) => session.once('connect', resolve));
      const closed = Array.from({ length: 200 }, () => {
        const stream = session.request(POST);
        stream.on('error', () => undefined);
        stream.close(constants.NGHTTP2_CANCEL);
        return new Promise((resolve) => stream.once('close', resolve));
      });
      await Promise.all(closed);
      session.destroy();
    }
    await answersAsEver();
    const grown = (await heldBytes(inspector)) - before;
    t.diagnostic(`2,000 streams, ${Math.round(grown / 1024)} KiB more are held`);
    assert.ok(grown < SLACK_BYTES, `${grown} bytes more are held`);
  });

  test('a stream whose client reads nothing is not read on, and its requests go when the client does', async () => {
    const inspector = gateway.inspector ?? assert.fail('the gateway has no debugger');
    const before = await heldBytes(inspector);
    const session = connectHttp2(`http://${gateway.grpc}`, { settings: { initialWindowSize: 0 } });
    session.on('error', () => undefined);
    const stream = session.request({ ...POST, ':path': '/inference.GRPCInferenceService/ModelStreamInfer' });
    stream.on('error', () => undefined);
    const message = asMessage(
      request({ inputs: [input({ shape: [1_000, 100] })], raw_input_contents: [Buffer.alloc(400_000)] }),
    );
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    const { batch_stats: earlier = [] } = await statistics();
    const large = (stats: Statistics['batch_stats']): number =>
      stats.find(({ batch_size }) => Number(batch_size) === 1_000)?.compute_infer.count ?? 0;
    const rowsBeside = async (): Promise<number> => large((await statistics()).batch_stats) - large(earlier);
    // Half a gigabyte is offered; what is taken before the stream is no longer read is bounded by its window.
    let taken = 0;
    const offer = (): void => {
      while (taken < 1_250 && !stream.destroyed) {
        taken += 1;
        if (!stream.write(Buffer.concat([head, message]))) break;
      }
    };
    stream.on('drain', offer);
    offer();
    // Until a round of other calls goes by in which nothing more of the stream is answered.
    let answered = -1;
    for (let now = 0; now !== answered; ) {
      answered = now;
      for (let i = 0; i < 20; i++) await answersAsEver();
      now = await rowsBeside();
    }
    assert.ok(answered > 0 && answered <= 128, `${answered} requests were worked on, though nothing was read`);
    session.destroy();
    const deadline = Date.now() + 60_000;
    let grown = Number.POSITIVE_INFINITY;
    while (grown >= SLACK_BYTES && Date.now() < deadline) {
      await answersAsEver();
      grown = (await heldBytes(inspector)) - before;
    }
    assert.ok(grown < SLACK_BYTES, `${grown} bytes more are held`);
  });

  test('bytes that are not HTTP/2 end their connection, and no other', async () => {
    const [host = '', port] = gateway.grpc.split(':');
    for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(100_000, 0xff)]) {
      const socket = connect(Number(port), host);
      socket.on('error', () => undefined);
      socket.resume().write(bytes);
      await new Promise((resolve) => socket.once('close', resolve));
    }
    await answersAsEver();
  });
});

interface Statistics {
  readonly batch_stats: readonly { readonly batch_size: number; readonly compute_infer: { readonly count: number } }[];
}

/** A field that is a group within a group and so on, which a reader that recurses would die of. */
function nestedGroups(depth: number): Buffer {
  const [open, close] = [(15 << 3) | 3, (15 << 3) | 4];
  return Buffer.concat([Buffer.alloc(depth, open), Buffer.alloc(depth, close)]);
}
