import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, credentials } from '@grpc/grpc-js';
import type { ServiceDefinition } from '@grpc/proto-loader';
import { loadService } from '../grpc/service.ts';
import { type Answer, endpointOf, type GatewayHarness, openGateway, putModel } from '../testing/gateway-harness.ts';
import { categoryModel, logisticModel } from '../testing/models.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const fp32 = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);

/** The fields of all gRPC replies together. */
interface Reply {
  readonly live: boolean;
  readonly ready: boolean;
  readonly name: string;
  readonly id: string;
  readonly inputs: readonly { readonly name: string; readonly datatype: string }[];
  readonly outputs: readonly { readonly shape: readonly string[] }[];
  readonly raw_output_contents: readonly Buffer[];
}

let harness: GatewayHarness;
before(async () => {
  harness = await openGateway({
    grpcPort: 0,
    limits: { instancesMax: 100, bodyBytesMax: 1_000_000 },
    table: async (put) => ({
      version: 1,
      endpoints: {
        delays: endpointOf('delays', await put(logisticModel({ a: 1, b: -2 }), 'delay', 3)),
        kinds: endpointOf('kinds', await put(categoryModel(), 'kind', 1)),
      },
    }),
  });
});
after(() => harness.close());

describe('the Open Inference Protocol over REST', () => {
  const get = async (path: string): Promise<{ status: number; body: Answer }> => {
    const response = await fetch(harness.gateway.url + path);
    return { status: response.status, body: (await response.json()) as Answer };
  };
  const infer = (path: string, body: unknown) => harness.post(`/v2/models/${path}/infer`, body);
  const tensor = (name: string, datatype: string, shape: number[], data: unknown) => ({ name, datatype, shape, data });

  test('tells that it is alive and ready, and what it serves', async () => {
    assert.deepEqual(await get('/v2/health/live'), { status: 200, body: { live: true } });
    assert.deepEqual(await get('/v2/health/ready'), { status: 200, body: { ready: true } });
    assert.equal((await get('/v2')).body.name, 'kedge');
    assert.deepEqual(await get('/v2/models/kinds/ready'), { status: 200, body: { name: 'kinds', ready: true } });
    assert.deepEqual((await get('/v2/models/kinds')).body, {
      name: 'kinds',
      versions: ['1'],
      platform: 'onnxruntime_onnx',
      inputs: [
        { name: 'x', datatype: 'FP32', shape: [-1, 1] },
        { name: 'c', datatype: 'BYTES', shape: [-1, 1] },
      ],
      outputs: [{ name: 'value', datatype: 'FP32', shape: [-1, 1] }],
    });
    assert.equal((await get('/v2/models/nobody')).status, 404);
  });

  test('infers from one tensor a column', async () => {
    const inputs = [tensor('c', 'BYTES', [3, 1], [['a'], ['b'], ['?']]), tensor('x', 'FP64', [3], [1, 2, 3])];
    const { status, body } = await infer('kinds', { id: 'q', inputs });

    assert.equal(status, 200);
    assert.deepEqual(body, {
      model_name: 'kinds',
      model_version: '1',
      id: 'q',
      parameters: { revision: 'kind@1' },
      outputs: [{ name: 'value', datatype: 'FP32', shape: [3, 1], data: [2, 4, 3] }],
    });
  });

  test('infers from one matrix of all numeric columns, nested or flat', async () => {
    const nested = await infer('delays', {
      inputs: [
        tensor(
          'features',
          'FP32',
          [2, 2],
          [
            [1, 0],
            [0, 1],
          ],
        ),
      ],
    });
    const flat = await infer('delays', { inputs: [tensor('features', 'FP32', [2, 2], [1, 0, 0, 1])] });

    assert.deepEqual(nested.body.outputs, flat.body.outputs);
    assert.ok(Math.abs(nested.body.outputs[0]?.data[1] - sigmoid(-2)) < 1e-6);
  });

  test('records what it answered, a row each', async () => {
    await infer('delays', {
      id: 'batch',
      parameters: { at: 77 },
      inputs: [tensor('features', 'FP32', [2, 2], [1, 0, 0, 1])],
    });
    await harness.gateway.flush();

    const rows = harness.controlPlane.records.filter(({ id }) => id.startsWith('batch'));
    assert.deepEqual(
      rows.map(({ id, at, numeric }) => [id, at, numeric]),
      [
        ['batch-0', 77, [1, 0]],
        ['batch-1', 77, [0, 1]],
      ],
    );
  });

  test('scores a registered version directly and does not record it', async () => {
    const arm = await putModel(harness.blobs, logisticModel({ z: 3 }), { name: 'other', version: 12 });
    harness.controlPlane.versions.set('other@12', arm);

    const { status, body } = await infer('other/versions/12', {
      id: 'direct',
      inputs: [tensor('z', 'FP32', [1], [1])],
    });
    await harness.gateway.flush();

    assert.equal(status, 200);
    assert.ok(Math.abs((body.outputs[0]?.data[0] ?? 0) - sigmoid(3)) < 1e-6);
    assert.equal(
      harness.controlPlane.records.some(({ id }) => id === 'direct'),
      false,
    );
    assert.equal((await infer('other/versions/13', { inputs: [] })).status, 404);
    assert.equal((await infer('other/versions/x', { inputs: [] })).status, 404);
  });

  /** The body of the binary extension: JSON, then the tensors' bytes. */
  async function binary(
    json: unknown,
    bytes: Buffer,
    headerLength?: string,
  ): Promise<{ status: number; body: Answer }> {
    const head = Buffer.from(JSON.stringify(json));
    const response = await fetch(`${harness.gateway.url}/v2/models/kinds/infer`, {
      method: 'POST',
      headers: { 'inference-header-content-length': headerLength ?? String(head.length) },
      body: Buffer.concat([head, bytes]),
    });
    return { status: response.status, body: (await response.json()) as Answer };
  }
  const bytesTensor = (text: string, length = Buffer.byteLength(text)): Buffer => {
    const prefix = Buffer.alloc(4);
    prefix.writeUInt32LE(length);
    return Buffer.concat([prefix, Buffer.from(text)]);
  };
  const sized = (name: string, datatype: string, size: number) => ({
    ...{ name, datatype, shape: [1, 1] },
    parameters: { binary_data_size: size },
  });

  test('reads binary tensors', async () => {
    const { body } = await binary(
      { inputs: [sized('x', 'FP32', 4), sized('c', 'BYTES', 5)] },
      Buffer.concat([fp32(10), bytesTensor('b')]),
    );

    assert.deepEqual(body.outputs[0]?.data, [12]);
  });

  const x = tensor('x', 'FP32', [1], [1]);
  const hostile: readonly [string, () => Promise<{ status: number; body: Answer }>][] = [
    ['a header length past the body', () => binary({ inputs: [x] }, Buffer.alloc(0), '99999999999')],
    [
      'a binary size past the body',
      () => binary({ inputs: [sized('x', 'FP32', 400), sized('c', 'BYTES', 5)] }, fp32(1)),
    ],
    [
      'a binary size that is not its shape',
      () =>
        binary(
          { inputs: [sized('x', 'FP32', 8), sized('c', 'BYTES', 5)] },
          Buffer.concat([fp32(1, 2), bytesTensor('b')]),
        ),
    ],
    [
      'a text that runs past its tensor',
      () =>
        binary(
          { inputs: [sized('x', 'FP32', 4), sized('c', 'BYTES', 5)] },
          Buffer.concat([fp32(1), bytesTensor('b', 4_000_000_000)]),
        ),
    ],
    ['bytes that belong to no tensor', () => binary({ inputs: [sized('x', 'FP32', 4)] }, fp32(1, 2))],
    [
      '250,000 levels of nesting',
      () =>
        infer(
          'kinds',
          `{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":${'['.repeat(250_000)}${']'.repeat(250_000)}}]}`,
        ),
    ],
    ['a negative dimension', () => infer('kinds', { inputs: [tensor('x', 'FP32', [-1], [1])] })],
    ['a shape whose size overflows', () => infer('kinds', { inputs: [tensor('x', 'FP32', [2 ** 53, 2 ** 53], [1])] })],
    ['more rows than the limit', () => infer('kinds', { inputs: [tensor('x', 'FP32', [101], Array(101).fill(1))] })],
    ['an unknown datatype', () => infer('kinds', { inputs: [tensor('x', 'FP8', [1], [1])] })],
    ['FP16 as JSON', () => infer('kinds', { inputs: [tensor('x', 'FP16', [1], [1])] })],
    ['fewer values than the shape', () => infer('kinds', { inputs: [tensor('x', 'FP32', [2], [1])] })],
    ['tensors of different rows', () => infer('kinds', { inputs: [x, tensor('c', 'BYTES', [2], ['a', 'b'])] })],
    ['a tensor given twice', () => infer('kinds', { inputs: [x, x] })],
    ['an unknown tensor', () => infer('kinds', { inputs: [x, tensor('y', 'FP32', [1], [1])] })],
    ['a missing tensor', () => infer('kinds', { inputs: [x] })],
    [
      'text for numbers',
      () => infer('kinds', { inputs: [tensor('x', 'FP32', [1], ['1']), tensor('c', 'BYTES', [1], ['a'])] }),
    ],
    ['no tensors', () => infer('kinds', { inputs: [] })],
    ['no object', () => infer('kinds', '3')],
  ];
  for (const [what, send] of hostile) {
    test(`refuses ${what} in the protocol's form and stays alive`, async () => {
      const { status, body } = await send();

      assert.equal(status, 400);
      assert.equal(typeof body.error, 'string');
      assert.equal((await get('/v2/health/live')).status, 200);
    });
  }
});

describe('the Open Inference Protocol over gRPC', () => {
  let service: ServiceDefinition;
  let client: Client;
  before(async () => {
    service = await loadService();
    client = new Client(harness.gateway.grpcAddress ?? '', credentials.createInsecure());
  });
  after(() => client.close());

  function call(method: string, request: object): Promise<Reply> {
    const { path, requestSerialize, responseDeserialize } = service[method] ?? assert.fail(method);
    return new Promise((resolve, reject) =>
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, reply) =>
        error ? reject(error) : resolve(reply as Reply),
      ),
    );
  }

  test('tells that it is alive and ready, and what it serves', async () => {
    assert.equal((await call('ServerLive', {})).live, true);
    assert.equal((await call('ServerReady', {})).ready, true);
    assert.equal((await call('ModelReady', { name: 'kinds' })).ready, true);
    assert.equal((await call('ServerMetadata', {})).name, 'kedge');
    const { inputs } = await call('ModelMetadata', { name: 'delays' });
    assert.deepEqual(
      inputs.map(({ name, datatype }) => [name, datatype]),
      [
        ['a', 'FP32'],
        ['b', 'FP32'],
      ],
    );
  });

  test('infers from raw tensors and answers raw', async () => {
    const reply = await call('ModelInfer', {
      model_name: 'delays',
      id: 'g',
      inputs: [{ name: 'features', datatype: 'FP32', shape: [2, 2] }],
      raw_input_contents: [fp32(1, 0, 0, 1)],
    });

    const [raw] = reply.raw_output_contents;
    assert.ok(raw);
    assert.deepEqual(reply.outputs[0]?.shape, ['2', '1']);
    assert.ok(Math.abs(raw.readFloatLE(0) - sigmoid(1)) < 1e-6);
    assert.ok(Math.abs(raw.readFloatLE(4) - sigmoid(-2)) < 1e-6);
    assert.equal(reply.id, 'g');
    await harness.gateway.flush();
    assert.equal(harness.controlPlane.records.filter(({ id }) => /^g-[01]$/.test(id)).length, 2);
  });

  test('infers from typed contents', async () => {
    const reply = await call('ModelInfer', {
      model_name: 'kinds',
      inputs: [
        { name: 'x', datatype: 'INT64', shape: [1], contents: { int64_contents: [5] } },
        { name: 'c', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [Buffer.from('b')] } },
      ],
    });

    assert.equal(reply.raw_output_contents[0]?.readFloatLE(0), 7);
  });

  test('refuses with the protocol status and the field', async () => {
    await assert.rejects(call('ModelInfer', { model_name: 'nobody', inputs: [] }), { code: 5 });
    const short = { model_name: 'delays', inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 2] }] };
    await assert.rejects(call('ModelInfer', { ...short, raw_input_contents: [fp32(1)] }), {
      code: 3,
      details: /inputs\.features: has 4 bytes of binary data, its shape says 2 × 4 bytes of FP32/,
    });
    await assert.rejects(call('ModelInfer', { ...short, raw_input_contents: [fp32(1, 2), fp32(1)] }), { code: 3 });
  });
});

test('a full queue is told with 503, and over gRPC as UNAVAILABLE', async () => {
  const full = await openGateway({
    grpcPort: 0,
    limits: { requestsMax: 0 },
    table: async (put) => ({
      version: 1,
      endpoints: { delays: endpointOf('delays', await put(logisticModel({ a: 1 }), 'delay', 3)) },
    }),
  });
  const client = new Client(full.gateway.grpcAddress ?? '', credentials.createInsecure());
  try {
    const inputs = [{ name: 'a', datatype: 'FP32', shape: [1], data: [1] }];
    const { status, body } = await full.post('/v2/models/delays/infer', { inputs });
    assert.deepEqual([status, body.error], [503, '0 predictions are in work, which is the limit']);

    const { path, requestSerialize, responseDeserialize } = (await loadService())['ModelInfer'] ?? assert.fail();
    const message = { model_name: 'delays', inputs: [{ name: 'a', datatype: 'FP32', shape: [1] }] };
    const code = await new Promise((resolve) =>
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, (error) => resolve(error?.code)),
    );
    assert.equal(code, 14);
  } finally {
    client.close();
    await full.close();
  }
});
