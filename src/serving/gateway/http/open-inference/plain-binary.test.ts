import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ID_LENGTH_MAX } from '../../read-instance.ts';
import { endpointOf, type GatewayHarness, openGateway } from '../../testing/gateway-harness.ts';
import { logisticModel } from '../../testing/models.ts';
import { callOip } from '../../testing/open-inference-call.ts';
import { PlainBinary } from './plain-binary.ts';

interface Asked {
  readonly id?: string;
  readonly outputs?: readonly object[];
  readonly parameters?: object;
  readonly shape?: readonly number[];
  readonly size?: number;
}

describe('infer requests whose one matrix follows as bytes', () => {
  let harness: GatewayHarness;
  before(async () => {
    harness = await openGateway({
      limits: { instancesMax: 3 },
      table: async (put) => ({
        version: 1,
        endpoints: { sure: endpointOf('sure', await put(logisticModel({ a: 1, b: -2 }, 0.5), 'sure', 3)) },
      }),
    });
  });
  after(() => harness.close());

  async function infer(numbers: readonly number[], asked: Asked): Promise<readonly unknown[]> {
    const { id = 'r', outputs, parameters, shape = [numbers.length / 2, 2], size = 4 * numbers.length } = asked;
    const tensor = { name: 'features', shape, datatype: 'FP32', parameters: { binary_data_size: size } };
    const json = Buffer.from(JSON.stringify({ id, inputs: [tensor], outputs, parameters }));
    const body = Buffer.concat([json, Buffer.from(Float32Array.from(numbers).buffer)]);
    const headers = { 'Inference-Header-Content-Length': String(json.length) };
    const response = await fetch(`${harness.gateway.url}/v2/models/sure/infer`, { method: 'POST', headers, body });
    const told = ['content-type', 'inference-header-content-length'].map((name) => response.headers.get(name));
    return [response.status, ...told, Buffer.from(await response.arrayBuffer()).toString('latin1')];
  }

  /** With a parameter more a request is read by what reads everything, and has the same answer. */
  async function alike(numbers: readonly number[], asked: Asked): Promise<readonly unknown[]> {
    const plain = await infer(numbers, asked);
    assert.deepEqual(plain, await infer(numbers, asked), 'what is known of it is what was read of it');
    assert.deepEqual(plain, await infer(numbers, { ...asked, parameters: { ...asked.parameters, at: 1.7e12 } }));
    return plain;
  }

  test('have the same answers as if they were read in another way, as bytes or as JSON', async () => {
    const { json: model } = await callOip(harness.gateway.url, 'models/sure');
    const name = model.outputs[0]?.name;
    for (const numbers of [
      [1, 2],
      [0.1, -7, 3, 0],
    ]) {
      for (const asked of [
        ...[
          {},
          { parameters: { binary_data_output: true } },
          { id: 'ü "@"', parameters: { binary_data_output: true } },
        ],
        { outputs: [{ name, parameters: { binary_data: true } }] },
        { outputs: [{ name, parameters: { binary_data: false } }], parameters: { binary_data_output: true } },
        { outputs: [{ name }] },
        { outputs: [{ name, parameters: { classification: 1 } }] },
      ]) {
        const [status] = await alike(numbers, asked);
        assert.equal(status, 200);
      }
    }
  });

  test('are refused with the same words, whatever was known of them', async () => {
    assert.equal((await infer([1, 2], {}))[0], 200);
    for (const [numbers, asked] of [
      ...[[1], [1, 2, 3, 4]].map((numbers) => [numbers, { shape: [1, 2], size: 8 }] as const),
      ...[[Number.POSITIVE_INFINITY, 2], [], [1, 2, 3, 4, 5, 6, 7, 8]].map((numbers) => [numbers, {}] as const),
      [[1, 2], { shape: [2, 1] }],
      [[1, 2], { shape: [1, 2, 1] }],
      [[1, 2], { size: 4 }],
      [[1, 2], { id: 'x'.repeat(1_000) }],
      [[1, 2, 3, 4], { id: 'x'.repeat(ID_LENGTH_MAX) }],
      [[1, 2], { outputs: [{ name: 'another' }] }],
    ] as const) {
      const [status] = await alike(numbers, asked);
      assert.equal(status, 400, JSON.stringify([numbers, asked]));
    }
  });

  test('are recorded as the numbers that came', async () => {
    await infer([0.1, -7], { id: 'recorded' });
    await harness.gateway.flush();
    const record = harness.controlPlane.records.find(({ id }) => id === 'recorded');
    assert.deepEqual(record?.numeric, [Math.fround(0.1), -7]);
  });
});

test('a matrix is read where it lies in a body, and left alone where more is asked for', () => {
  const reader = new PlainBinary(2, 'probability', 3);
  const bodyOf = (more: object): { readonly body: Buffer; readonly length: string } => {
    const tensor = { name: 'features', shape: [1, 2], datatype: 'FP32', parameters: { binary_data_size: 8 } };
    const json = Buffer.from(JSON.stringify({ id: 'r', inputs: [tensor], ...more }));
    return { body: Buffer.concat([json, Buffer.from(Float32Array.of(1, -2).buffer)]), length: String(json.length) };
  };
  const { body, length } = bodyOf({});
  const read = { id: 'r', rows: [[1, -2]], binary: { all: false, byName: new Map() } };
  for (const time of ['first', 'again']) assert.deepEqual(reader.read(body, length), read, time);
  const asksForMore = bodyOf({ parameters: { at: 7 } });
  assert.equal(reader.read(asksForMore.body, asksForMore.length), undefined);
});
