import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { endpointOf, type GatewayHarness, openGateway } from '../../testing/gateway-harness.ts';
import { brittleModel, logisticModel } from '../../testing/models.ts';
import { callOip } from '../../testing/open-inference-call.ts';

describe('infer requests that are read as most are, and those that are not', () => {
  let harness: GatewayHarness;
  before(async () => {
    harness = await openGateway({
      limits: { instancesMax: 3 },
      table: async (put) => ({
        version: 1,
        endpoints: {
          sure: endpointOf('sure', await put(logisticModel({ a: 1, b: -2 }, 0.5), 'sure', 3)),
          brittle: endpointOf('brittle', await put(brittleModel(), 'brittle', 1)),
        },
      }),
    });
  });
  after(() => harness.close());

  const infer = async (model: string, body: object, headers: Readonly<Record<string, string>> = {}) => {
    const { status, json } = await callOip(harness.gateway.url, `models/${model}/infer`, { body, headers });
    return { status, json };
  };
  const features = (...rows: readonly (readonly (number | null)[])[]) => ({
    name: 'features',
    shape: [rows.length, rows[0]?.length ?? 0],
    datatype: 'FP32',
    data: rows.flat(),
  });

  test('have the same answer, to the letter', async () => {
    const asked = async (body: object): Promise<string> => {
      const url = `${harness.gateway.url}/v2/models/sure/infer`;
      const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
      assert.equal(response.status, 200);
      return response.text();
    };
    for (const id of ['r', '@', '"data":[0]', 'with "quotes" \\ and ü', 'data":[0]']) {
      for (const rows of [[[1, 2]], [[-0.1, 1e3]], [[1, 2] as const, [0.25, -3] as const]] as const) {
        const inputs = [features(...rows)];
        // With parameters, even none, a request is read by what reads everything.
        assert.equal(await asked({ id, inputs }), await asked({ id, inputs, parameters: {} }));
      }
    }
  });

  test('say what was asked for', async () => {
    const plain = await infer('sure', { id: 'r', inputs: [features([1, 2], [0.25, -3])] });
    const [output] = plain.json.outputs;
    assert.deepEqual([output?.shape, output?.datatype, output?.data.length], [[2, 1], 'FP32', 2]);

    const { json: made } = await infer('sure', { inputs: [features([1, 2])] });
    assert.match(made.id, /^pred_/);
    assert.deepEqual(made.outputs[0]?.data, [output?.data[0]]);
  });

  test('fail and are refused with the same words', async () => {
    for (const [model, inputs] of [
      ['brittle', [features([99])]],
      ['sure', [features([1])]],
      ['sure', [features([1, 2], [1, 2], [1, 2], [1, 2])]],
      ['nobody', [features([1, 2])]],
    ] as const) {
      const plain = await infer(model, { id: 'r', inputs });
      assert.notEqual(plain.status, 200);
      assert.deepEqual(plain, await infer(model, { id: 'r', inputs, parameters: {} }));
    }
  });

  test('are recorded each row under the id of the request', async () => {
    await infer('sure', { id: 'many', inputs: [features([1, 2], [3, 4])] });
    await infer('sure', { id: 'one', inputs: [features([5, 6])] });
    await harness.gateway.flush();
    const rows = harness.controlPlane.records.filter(({ id }) => /^(many|one)/.test(id));
    assert.deepEqual(
      rows.map(({ id, numeric }) => [id, numeric]),
      [
        ['many-0', [1, 2]],
        ['many-1', [3, 4]],
        ['one', [5, 6]],
      ],
    );
  });

  test('wait for nobody when their client asks for that', async () => {
    const { status, json } = await infer('sure', { inputs: [features([1, 2])] }, { prefer: 'respond-async' });
    assert.equal(status, 202);
    assert.match(json.id, /^result_/);
  });
});
