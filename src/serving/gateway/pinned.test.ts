import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointOf, openGateway } from './testing/gateway-harness.ts';
import { logisticModel } from './testing/models.ts';
import { times } from './testing/tensor-models.ts';

interface Entry {
  readonly name: string;
  readonly memory_bytes: number | null;
  readonly pinned: boolean;
}

const PINNED = 'parameters { key: "pinned" value: { string_value: "true" } }';

test('endpoints and models of the folder that are pinned are loaded at the start and outlast all others', async () => {
  const harness = await openGateway({
    // Room for three.
    limits: { modelMemoryBytesMax: 3.5 * 1024 * 1024 },
    repository: {
      'steady/1/model.onnx': times(2),
      'steady/config.pbtxt': PINNED,
      'wrong/1/model.onnx': times(2),
      'wrong/config.pbtxt': 'parameters { key: "pinned" value: { string_value: "often" } }',
      ...Object.fromEntries([3, 4, 5, 6].map((factor) => [`loose${factor}/1/model.onnx`, times(factor)])),
    },
    table: async (put) => ({
      version: 1,
      endpoints: {
        delays: endpointOf('delays', await put(logisticModel({ a: 1 }), 'delay', 3), { pinned: true }),
      },
    }),
  });
  try {
    const index = async (): Promise<readonly Entry[]> => {
      const request = { method: 'POST', body: '{"memory":true}' };
      return (await fetch(`${harness.gateway.url}/v2/repository/index`, request)).json() as Promise<Entry[]>;
    };
    const held = async (): Promise<string[]> =>
      (await index()).filter((one) => one.memory_bytes !== null).map(({ name }) => name);

    assert.deepEqual(await held(), ['delays', 'steady']);
    for (const factor of [3, 4, 5, 6, 3, 4]) {
      const inputs = [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }];
      const { status, body } = await harness.post(`/v2/models/loose${factor}/infer`, { inputs });
      assert.deepEqual([status, body.outputs[0]?.data], [200, [factor]]);
    }
    assert.deepEqual(await held(), ['delays', 'loose4', 'steady']);
    const { status, body } = await harness.post('/v2/models/wrong/infer', { inputs: [] });
    assert.deepEqual(
      [status, /parameters\.pinned: expected the string_value true or false/.test(String(body.error))],
      [503, true],
    );
    // Out of service, it holds nobody's room.
    await harness.post('/v2/repository/models/steady/unload', {});
    assert.deepEqual(
      (await index()).filter(({ pinned }) => pinned).map(({ name }) => name),
      ['delays'],
    );
  } finally {
    await harness.close();
  }
});
