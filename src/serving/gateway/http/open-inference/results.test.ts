import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ManualClock } from '#core/clock';
import { sequenceIds } from '#core/ids';
import { endpointOf, type GatewayHarness, openGateway } from '../../testing/gateway-harness.ts';
import { logisticModel } from '../../testing/models.ts';
import { lookUp, times } from '../../testing/tensor-models.ts';
import { AsyncResults, RESULTS_MAX } from './results.ts';

describe('an answer that is not waited for', () => {
  let harness: GatewayHarness;
  before(async () => {
    harness = await openGateway({
      repository: { 'times/1/model.onnx': times(10), 'look-up/1/model.onnx': lookUp() },
      table: async (put) => ({
        version: 1,
        endpoints: { delays: endpointOf('delays', await put(logisticModel({ a: 1 }), 'delay', 1)) },
      }),
    });
  });
  after(() => harness.close());

  async function start(model: string, input: object): Promise<string> {
    const response = await fetch(`${harness.gateway.url}/v2/models/${model}/infer`, {
      method: 'POST',
      headers: { prefer: 'wait=0, respond-async' },
      body: JSON.stringify({ id: 'mine', inputs: [input], parameters: { binary_data_output: model === 'times' } }),
    });
    assert.equal(response.status, 202);
    const { result } = (await response.json()) as { readonly result: string };
    assert.equal(response.headers.get('location'), result);
    return result;
  }

  async function finished(result: string): Promise<Response> {
    for (;;) {
      const response = await fetch(harness.gateway.url + result);
      if (response.status !== 202) return response;
      await response.arrayBuffer();
    }
  }

  test('is what the request would have been answered with, as often as it is asked for', async () => {
    const result = await start('times', { name: 'x', datatype: 'FP32', shape: [2], data: [1, 2] });
    for (let i = 0; i < 2; i++) {
      const response = await finished(result);
      const jsonBytes = Number(response.headers.get('inference-header-content-length'));
      const bytes = Buffer.from(await response.arrayBuffer());
      assert.equal(response.status, 200);
      assert.equal((JSON.parse(bytes.subarray(0, jsonBytes).toString()) as { id: string }).id, 'mine');
      assert.deepEqual([bytes.readFloatLE(jsonBytes), bytes.readFloatLE(jsonBytes + 4)], [10, 20]);
    }
  });

  test('of an endpoint is recorded like any other', async () => {
    const response = await finished(await start('delays', { name: 'a', datatype: 'FP32', shape: [1], data: [0] }));
    const { outputs } = (await response.json()) as {
      readonly outputs: readonly { readonly data: readonly number[] }[];
    };
    assert.deepEqual(outputs[0]?.data, [0.5]);
    await harness.gateway.flush();
    assert.equal(harness.controlPlane.records.filter(({ id }) => id === 'mine').length, 1);
  });

  test('is an error where the request would have been refused or failed', async () => {
    const failed = await finished(await start('look-up', { name: 'x', datatype: 'INT64', shape: [1], data: [7] }));
    const refused = await finished(await start('nobody', {}));
    assert.deepEqual([failed.status, refused.status], [500, 400]);
    assert.match(((await failed.json()) as { readonly error: string }).error, /^look-up, version 1/);
    assert.equal((await fetch(`${harness.gateway.url}/v2/results/result_unknown`)).status, 404);
  });
});

describe('the answers that are kept', () => {
  const answer = (bytes: number) => async () => ({ body: Buffer.alloc(bytes), jsonBytes: undefined });
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test('leave after ten minutes', async () => {
    const clock = new ManualClock();
    const results = new AsyncResults({ clock, ids: sequenceIds() });
    const id = results.start(answer(1));
    await settled();
    await clock.advance(599_999);
    assert.ok(results.get(id));
    await clock.advance(1);
    assert.throws(() => results.get(id), { code: 'gateway/not-found' });
  });

  test('are bounded in number and in bytes: the oldest finished ones leave, unfinished ones are refused', async () => {
    const results = new AsyncResults({ clock: new ManualClock(), ids: sequenceIds() });
    const [first, second] = [results.start(answer(40_000_000)), results.start(answer(40_000_000))];
    await settled();
    assert.throws(() => results.get(first), { code: 'gateway/not-found' });
    assert.ok(results.get(second));

    const never = (): Promise<never> => new Promise(() => undefined);
    for (let i = 1; i < RESULTS_MAX; i++) results.start(never);
    results.start(never);
    assert.throws(() => results.get(second), { code: 'gateway/not-found' });
    assert.throws(() => results.start(never), { code: 'gateway/busy' });
    results.clear();
    results.start(never);
  });
});
