import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { endpointOf, type GatewayHarness, openGateway } from '../testing/gateway-harness.ts';
import { logisticModel } from '../testing/models.ts';
import { callOip, type OipReply, tensorOf } from '../testing/open-inference-call.ts';
import { bill, identity, lookUp, sumAndDifference, times, turned } from '../testing/tensor-models.ts';

const IDENTITIES = {
  BOOL: ['bool', 1],
  UINT8: ['uint8', 1],
  UINT16: ['uint16', 2],
  UINT32: ['uint32', 4],
  UINT64: ['uint64', 8],
  INT8: ['int8', 1],
  INT16: ['int16', 2],
  INT32: ['int32', 4],
  INT64: ['int64', 8],
  FP16: ['float16', 2],
  BF16: ['bfloat16', 2],
  FP32: ['float', 4],
  FP64: ['double', 8],
} as const;

let harness: GatewayHarness;
before(async () => {
  const same = Object.entries(IDENTITIES).map(([name, [type]]) => [`same-${name}/1/model.onnx`, identity(type)]);
  harness = await openGateway({
    limits: { bodyBytesMax: 1_000_000 },
    repository: {
      'sums/1/model.onnx': sumAndDifference(),
      'sums/config.pbtxt': 'max_batch_size: 8 # rows',
      'times/1/model.onnx': times(10),
      'times/2/model.onnx': times(20),
      'times/3/model.onnx': times(30),
      'times/config.pbtxt': 'name: "times" version_policy: { specific: { versions: [1, 3] } }',
      'look-up/1/model.onnx': lookUp(),
      'turned/1/model.onnx': turned(),
      'bill/1/model.onnx': bill(),
      'classes/1/model.onnx': sumAndDifference('float', 3),
      'classes/config.pbtxt': 'output [ { name: "OUTPUT0", label_filename: "labels.txt" } ]',
      'classes/labels.txt': 'red\ngreen\nblue\n',
      'damaged/1/model.onnx': 'no model',
      'other/config.pbtxt': 'platform: "tensorrt_plan"',
      'same-BYTES/1/model.onnx': identity('string'),
      ...Object.fromEntries(same),
    },
    table: async (put) => ({
      version: 1,
      endpoints: { delays: endpointOf('delays', await put(logisticModel({ a: 1, b: -2 }), 'delay', 3)) },
    }),
  });
});
after(() => harness.close());

const call = (path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<OipReply> =>
  callOip(harness.gateway.url, path, { body, headers });
const ints = (name: string, ...data: number[]) => tensorOf(name, 'INT32', [data.length / 4, 4], data);
const sums = (...data: number[]) => ({ inputs: [ints('INPUT0', ...data), ints('INPUT1', ...data)] });
describe('models of any tensors', () => {
  test('take several inputs and answer several outputs, or those that are asked for', async () => {
    const all = await call('models/sums/infer', { id: 'q', ...sums(1, 2, 3, 4) });
    const one = await call('models/sums/infer', { ...sums(1, 2, 3, 4), outputs: [{ name: 'OUTPUT1' }] });

    assert.deepEqual(all.json, {
      ...{ model_name: 'sums', model_version: '1', id: 'q' },
      outputs: [tensorOf('OUTPUT0', 'INT32', [1, 4], [2, 4, 6, 8]), tensorOf('OUTPUT1', 'INT32', [1, 4], [0, 0, 0, 0])],
    });
    assert.deepEqual(one.json.outputs, [tensorOf('OUTPUT1', 'INT32', [1, 4], [0, 0, 0, 0])]);
  });

  test('take inputs of different datatypes, each checked against the model', async () => {
    const inputs = [
      tensorOf('count', 'INT64', [1, 2], [3, 4]),
      tensorOf('price', 'FP32', [1, 2], [1.5, 2]),
      tensorOf('limit', 'FP32', [1, 1], [5]),
    ];
    const { json } = await call('models/bill/infer', { inputs });
    const wrong = await call('models/bill/infer', {
      inputs: [tensorOf('count', 'INT32', [1, 2], [3, 4]), ...inputs.slice(1)],
    });
    const reshaped = await call('models/bill/infer', {
      inputs: [tensorOf('count', 'INT64', [2, 1], [3, 4]), ...inputs.slice(1)],
    });

    assert.deepEqual(json.outputs, [
      tensorOf('total', 'FP32', [1, 2], [4.5, 8]),
      tensorOf('over', 'BOOL', [1, 2], [false, true]),
    ]);
    assert.deepEqual([wrong.status, wrong.json.error], [400, 'inputs.count.datatype: expected INT64, found INT32']);
    assert.deepEqual([reshaped.status, reshaped.json.error], [400, 'inputs.count.shape: expected [-1,2], found [2,1]']);
  });

  test('of a fixed shape have no batch', async () => {
    const { json } = await call('models/turned/infer', {
      inputs: [
        tensorOf(
          'm',
          'FP64',
          [2, 3],
          [
            [1, 2, 3],
            [4, 5, 6],
          ],
        ),
      ],
    });
    const config = await call('models/turned/config');

    assert.deepEqual(json.outputs, [tensorOf('t', 'FP64', [3, 2], [1, 4, 2, 5, 3, 6])]);
    assert.equal(config.json.max_batch_size, 0);
  });

  test('give every bit of every datatype back as it came, as bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...Object.entries(IDENTITIES)),
        fc.integer({ min: 1, max: 3 }),
        fc.uint8Array({ minLength: 24, maxLength: 24 }),
        async ([datatype, [, bytes]], rows, random) => {
          const values = Buffer.from(random.map((byte) => (datatype === 'BOOL' ? byte % 2 : quiet(byte))));
          const raw = values.subarray(0, rows * 2 * bytes > 24 ? 2 * bytes : rows * 2 * bytes);
          const shape = [raw.length / bytes / 2, 2];
          const input = { name: 'x', datatype, shape, parameters: { binary_data_size: raw.length } };
          const head = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }));
          const answer = await call(`models/same-${datatype}/infer`, Buffer.concat([head, raw]), {
            'inference-header-content-length': String(head.length),
          });

          assert.equal(answer.status, 200, answer.json.error);
          assert.deepEqual(answer.json.outputs[0]?.shape, shape);
          assert.deepEqual(answer.raw, raw);
        },
      ),
      { numRuns: 60 },
    );
  });

  /** Clears a bit of each exponent, so that no number is a NaN, whose spare bits a model may change. */
  function quiet(byte: number): number {
    return byte & 0b1011_1111;
  }

  test('take and answer texts, in both forms', async () => {
    const texts = ['', 'plain', 'Grüße, 世界'];
    const lengths = texts.map((text) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(Buffer.byteLength(text));
      return Buffer.concat([length, Buffer.from(text)]);
    });
    const raw = Buffer.concat(lengths);
    const input = { name: 'x', datatype: 'BYTES', shape: [3, 1], parameters: { binary_data_size: raw.length } };
    const head = Buffer.from(
      JSON.stringify({ inputs: [input], outputs: [{ name: 'y', parameters: { binary_data: true } }] }),
    );
    const binary = await call('models/same-BYTES/infer', Buffer.concat([head, raw]), {
      'inference-header-content-length': String(head.length),
    });
    const json = await call('models/same-BYTES/infer', { inputs: [tensorOf('x', 'BYTES', [3, 1], texts)] });

    assert.deepEqual(binary.raw, raw);
    assert.deepEqual(json.json.outputs[0]?.data, texts);
  });

  test('refuse numbers that their datatype does not hold, and answers that JSON does not', async () => {
    for (const [datatype, value] of [
      ['UINT8', 256],
      ['INT8', -129],
      ['INT32', 1.5],
      ['UINT64', -1],
      ['INT64', 2 ** 60],
      ['BOOL', 2],
      ['FP32', 1e39],
      ['FP64', 'one'],
      ['FP16', 1],
      ['BF16', 1],
      ['BYTES', 1],
    ]) {
      const { status, json } = await call(`models/same-${datatype}/infer`, {
        inputs: [tensorOf('x', String(datatype), [1, 1], [value])],
      });
      assert.equal(status, 400, `${datatype} ${value}`);
      assert.match(json.error, /^inputs\.x/);
    }
    const half = { name: 'x', datatype: 'FP16', shape: [1, 1], parameters: { binary_data_size: 2 } };
    const head = Buffer.from(JSON.stringify({ inputs: [half] }));
    const answer = await call('models/same-FP16/infer', Buffer.concat([head, Buffer.from([0, 60])]), {
      'inference-header-content-length': String(head.length),
    });
    assert.deepEqual(
      [answer.status, answer.json.error],
      [400, 'outputs.y: FP16 has no form in JSON; ask for binary data'],
    );
  });

  test('take a raw body as their one tensor', async () => {
    const raw = Buffer.from(Float32Array.of(1, -2, 3).buffer);
    const answer = await call('models/times/versions/1/infer', raw, { 'inference-header-content-length': '0' });
    const two = await call('models/sums/infer', raw, { 'inference-header-content-length': '0' });
    const wide = await call('models/same-FP32/infer', raw, { 'inference-header-content-length': '0' });
    const odd = await call('models/times/infer', raw.subarray(1), { 'inference-header-content-length': '0' });

    assert.deepEqual([...new Float32Array(Uint8Array.from(answer.raw).buffer)], [10, -20, 30]);
    assert.deepEqual([two.status, wide.status, odd.status], [400, 400, 400]);
    assert.match(two.json.error, /the model takes 2 inputs/);
    assert.match(wide.json.error, /more than one dimension of 'x' is of any size/);
    assert.match(odd.json.error, /11 bytes are no multiple of 4/);
  });

  test('are served by version, the latest unless told, and those of the policy only', async () => {
    const y = async (path: string) =>
      (await call(`models/${path}/infer`, { inputs: [tensorOf('x', 'FP32', [1], [1])] })).json;

    assert.deepEqual((await y('times')).outputs[0]?.data, [30]);
    assert.deepEqual((await y('times/versions/1')).outputs[0]?.data, [10]);
    assert.match((await y('times/versions/2')).error, /no version '2'/);
    assert.deepEqual((await call('models/times')).json.versions, ['1', '3']);
  });

  test('answer their greatest values with labels', async () => {
    const inputs = ['INPUT0', 'INPUT1'].map((name) => tensorOf(name, 'FP32', [2, 3], [1, 3, 2, 5, 4, 5]));
    const outputs = [
      { name: 'OUTPUT0', parameters: { classification: 2 } },
      { name: 'OUTPUT1', parameters: { classification: 9 } },
    ];
    const { json } = await call('models/classes/infer', { inputs, outputs });

    assert.deepEqual(json.outputs, [
      tensorOf('OUTPUT0', 'BYTES', [2, 2], ['6:1:green', '4:2:blue', '10:0:red', '10:2:blue']),
      tensorOf('OUTPUT1', 'BYTES', [2, 3], ['0:0', '0:1', '0:2', '0:0', '0:1', '0:2']),
    ]);
  });

  test('are listed with their state, those that cannot be served with the reason', async () => {
    const refused = await call('models/damaged/infer', { inputs: [] });
    const response = await fetch(`${harness.gateway.url}/v2/repository/index`, { method: 'POST', body: '{}' });
    const index = (await response.json()) as { name: string; version: string; state: string; reason: string }[];
    const of = (name: string) => index.filter((entry) => entry.name === name);

    assert.equal(refused.status, 503);
    assert.deepEqual(of('sums'), [{ name: 'sums', version: '1', state: 'READY', reason: '' }]);
    assert.deepEqual(of('delays'), [{ name: 'delays', version: '3', state: 'READY', reason: '' }]);
    assert.equal(of('damaged')[0]?.state, 'UNAVAILABLE');
    assert.match(of('other')[0]?.reason ?? '', /platform 'tensorrt_plan'/);
    assert.equal(of('times').length, 2);
  });
});
