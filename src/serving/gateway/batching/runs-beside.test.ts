import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { batchingSpec } from '../../batching-spec.ts';
import { endpointOf, type GatewayHarness, openGateway } from '../testing/gateway-harness.ts';
import { slowModel } from '../testing/models.ts';
import { callOip, tensorOf } from '../testing/open-inference-call.ts';
import { ScriptedServer } from '../testing/scripted-server.ts';

describe('a model that takes several runs at once', () => {
  let server: ScriptedServer;
  let harness: GatewayHarness;
  let held: ServerResponse[] = [];
  before(async () => {
    server = new ScriptedServer();
    await server.listen();
    server.onInfer = (_call, response) => held.push(response);
    const declaration = JSON.stringify({ runtime: 'external', url: server.url, model: 'm', connections: 4 });
    harness = await openGateway({
      ...{ modelServers: [server.url], runtime: 'inline' },
      limits: { predictTimeoutMs: 60_000 },
      repository: {
        'free/1/model.json': declaration,
        'free/config.pbtxt': 'max_batch_size: 1 dynamic_batching {}',
        'ordered/1/model.json': declaration,
        'ordered/config.pbtxt': 'max_batch_size: 1 dynamic_batching { preserve_ordering: true }',
      },
      table: async (put) => {
        const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'value' as const };
        const beside = await put({ bytes: new TextEncoder().encode(declaration), signature }, 'm', 2);
        const candidate = { ...beside, weight: 0, shadow: true };
        const batching = batchingSpec.parse({ maxRows: 2 });
        const current = await put(slowModel(1), 'm', 1);
        const pair = endpointOf('pair', current, { batching, candidate, rollout: 'roll_1' });
        return { version: 1, endpoints: { pair } };
      },
    });
  });
  after(async () => {
    await harness.close();
    await server.close();
  });

  const ask = (model: string) =>
    callOip(harness.gateway.url, `models/${model}/infer`, { body: { inputs: [tensorOf('x', 'FP32', [1, 1], [1])] } });
  /** Waits until so many of the requests are at the server, and all others in the queue. */
  const arrived = async (model: string, requests: number): Promise<number> => {
    for (;;) {
      const text = await (await fetch(`${harness.gateway.url}/metrics`)).text();
      const line = new RegExp(`^nv_inference_pending_request_count\\{model="${model}",version="1"\\} (\\d+)$`, 'm');
      if (held.length > 0 && held.length + Number(line.exec(text)?.[1]) === requests) return held.length;
    }
  };
  const answerAll = (): void => {
    const answers = held;
    held = [];
    const outputs = [{ name: 'y', datatype: 'FP32', shape: [1, 1], data: [2] }];
    for (const response of answers) server.answer(response, 200, { outputs });
  };

  test('gets no more rows in one than are declared, for scores beside answers too', async () => {
    const { onInfer } = new ScriptedServer();
    const rows: number[] = [];
    const sum = (): number => rows.reduce((all, one) => all + one, 0);
    server.onInfer = (call, response, body) => {
      rows.push(JSON.parse(body.toString()).inputs[0].shape[0]);
      onInfer(call, response, body);
    };
    const instances = Array.from({ length: 5 }, (_, x) => ({ inputs: { x } }));
    const { body } = await harness.post('/v1/endpoints/pair/predict', { instances });
    while (sum() < 5) await harness.gateway.flush();
    server.onInfer = (_call, response) => held.push(response);

    assert.deepEqual(
      body.predictions.map(({ output }) => output.value),
      [0, 1, 2, 3, 4],
    );
    assert.equal(sum(), 5);
    assert.ok(Math.max(...rows) <= 2, `${rows}`);
  });

  test('gets as many as it takes', async () => {
    const asked = Array.from({ length: 6 }, () => ask('free'));
    assert.equal(await arrived('free', 6), 4);
    answerAll();
    assert.equal(await arrived('free', 2), 2);
    answerAll();
    assert.deepEqual(new Set((await Promise.all(asked)).map(({ status }) => status)), new Set([200]));
  });

  test('gets one where the order is to be preserved', async () => {
    const asked = Array.from({ length: 3 }, () => ask('ordered'));
    for (const left of [3, 2, 1]) {
      assert.equal(await arrived('ordered', left), 1);
      answerAll();
    }
    assert.deepEqual(new Set((await Promise.all(asked)).map(({ status }) => status)), new Set([200]));
  });
});
