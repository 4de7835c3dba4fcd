import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { RoutingTable } from '../../../routing.ts';
import { endpointOf, type GatewayHarness, type HarnessOptions, openGateway } from '../../testing/gateway-harness.ts';
import { brittleModel, categoryModel, logisticModel, type TestModel } from '../../testing/models.ts';
import { pipelined, tensorOf } from '../../testing/open-inference-call.ts';
import { ScriptedServer } from '../../testing/scripted-server.ts';
import { bill, identity, lookUp, sumAndDifference } from '../../testing/tensor-models.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const NO_ENDPOINTS: RoutingTable = { version: 1, endpoints: {} };
const X: TestModel['signature'] = { inputs: [{ name: 'x', kind: 'numeric' }], output: 'value' };

/** A version whose model file is a declaration. */
function declared(declaration: object, signature: TestModel['signature'] = X): TestModel {
  return { bytes: new TextEncoder().encode(JSON.stringify(declaration)), signature };
}

/** Waits until `check` holds, asking in every turn of the event loop. */
async function until(check: () => Promise<boolean>): Promise<void> {
  for (const limit = performance.now() + 60_000; performance.now() < limit; await setImmediate()) {
    if (await check()) return;
  }
  assert.fail('it never came to hold');
}

describe('models of another gateway, over REST and gRPC', () => {
  let back: GatewayHarness;
  let front: GatewayHarness;
  const urls = { rest: '', grpc: '' };
  before(async () => {
    back = await openGateway({
      grpcPort: 0,
      repository: {
        'bill/1/model.onnx': bill(),
        'simple/1/model.onnx': sumAndDifference('int64'),
        'simple/2/model.onnx': sumAndDifference('int64'),
        'simple/config.pbtxt': 'max_batch_size: 4 version_policy { all {} }',
        'texts/1/model.onnx': identity('string'),
        'halves/1/model.onnx': identity('float16'),
        'look/1/model.onnx': lookUp(),
      },
      table: async (put) => ({
        version: 1,
        endpoints: {
          remote: endpointOf('remote', await put(logisticModel({ a: 2 }), 'remote', 1)),
          mixed: endpointOf('mixed', await put(categoryModel(), 'mixed', 1)),
        },
      }),
    });
    urls.rest = back.gateway.url;
    urls.grpc = `grpc://${back.gateway.grpcAddress}`;
    const repository: Record<string, string> = {};
    for (const [name, url] of Object.entries(urls)) {
      for (const model of ['bill', 'texts', 'halves', 'look']) {
        repository[`${model}-${name}/1/model.json`] = JSON.stringify({ runtime: 'external', url, model });
      }
      repository[`simple-${name}/1/model.json`] = JSON.stringify({
        runtime: 'external',
        url,
        model: 'simple',
        version: '2',
      });
    }
    repository['elsewhere/1/model.json'] = '{"runtime":"external","url":"http://127.0.0.1:1","model":"m"}';
    repository['torn/1/model.json'] = '{"runtime":"external","url":"http://user:word@h","model":"m"}';
    front = await openGateway({ repository, modelServers: Object.values(urls), table: async () => NO_ENDPOINTS });
  });
  after(async () => {
    await front.close();
    await back.close();
  });

  const infer = (model: string, body: unknown) => front.post(`/v2/models/${model}/infer`, body);

  for (const wire of ['rest', 'grpc'] as const) {
    test(`tensors of every kind go there and back over ${wire}`, async () => {
      const tensor = (name: string, datatype: string, shape: number[], data: unknown[]) => ({
        name,
        datatype,
        shape,
        data,
      });
      const billed = await infer(`bill-${wire}`, {
        inputs: [
          tensor('price', 'FP32', [1, 2], [1.5, 2]),
          tensor('count', 'INT64', [1, 2], [2, 3]),
          tensor('limit', 'FP32', [1, 1], [4]),
        ],
      });
      assert.deepEqual(
        billed.body.outputs.map(({ data }) => data),
        [
          [3, 6],
          [false, true],
        ],
      );
      const texts = await infer(`texts-${wire}`, { inputs: [tensor('x', 'BYTES', [1, 2], ['a', 'ü€'])] });
      assert.deepEqual(texts.body.outputs[0]?.data, ['a', 'ü€']);
      const halves = Buffer.from([0, 0x3c, 0, 0xc0]);
      const head = JSON.stringify({
        inputs: [{ name: 'x', datatype: 'FP16', shape: [1, 2], parameters: { binary_data_size: 4 } }],
        parameters: { binary_data_output: true },
      });
      const response = await fetch(`${front.gateway.url}/v2/models/halves-${wire}/infer`, {
        method: 'POST',
        headers: { 'inference-header-content-length': String(head.length) },
        body: Buffer.concat([Buffer.from(head), halves]),
      });
      assert.deepEqual(Buffer.from(await response.arrayBuffer()).subarray(-4), halves);
    });

    test(`requests of one turn are joined within the batch that the server takes, over ${wire}`, async () => {
      const bodies = Array.from({ length: 8 }, (_, i) => ({
        inputs: ['INPUT0', 'INPUT1'].map((name) => tensorOf(name, 'INT64', [1, 4], [i, 1, 2, 3])),
      }));
      assert.equal((await infer(`simple-${wire}`, bodies[0])).status, 200);
      const answers = await pipelined(front.gateway.url, `models/simple-${wire}/infer`, bodies);
      for (const [i, { outputs }] of answers.entries()) assert.deepEqual(outputs[0]?.data, [2 * i, 2, 4, 6]);
      const stats = await (await fetch(`${back.gateway.url}/v2/models/simple/versions/2/stats`)).json();
      const [{ execution_count: runs, inference_count: rows }] = (stats as { model_stats: [Record<string, number>] })
        .model_stats;
      assert.ok((runs ?? 0) < (rows ?? 0), `${runs} runs of ${rows} rows`);
      const config = await fetch(`${front.gateway.url}/v2/models/simple-${wire}/config`);
      assert.equal(((await config.json()) as { max_batch_size: number }).max_batch_size, 4);
    });

    test(`what the server finds at fault is the fault of its own request alone, over ${wire}`, async () => {
      const ask = (x: number) =>
        infer(`look-${wire}`, { inputs: [{ name: 'x', datatype: 'INT64', shape: [1], data: [x] }] });
      const [good, bad] = await Promise.all([ask(1), ask(9)]);
      assert.deepEqual([good.status, good.body.outputs[0]?.data], [200, [10]]);
      assert.equal(bad.status, 500);
      assert.match(String(bad.body.error), /Gather|indices|bounds/i);
    });
  }

  test('only servers that the gateway names are called, and a declaration has to be one', async () => {
    const elsewhere = await infer('elsewhere', { inputs: [] });
    assert.equal(elsewhere.status, 503);
    assert.match(String(elsewhere.body.error), /may not call http:\/\/127\.0\.0\.1:1: KEDGE_MODEL_SERVERS/);
    const torn = await infer('torn', { inputs: [] });
    assert.match(String(torn.body.error), /model\.json: url: expected a scheme, a host and a port alone/);
  });

  test("an endpoint's columns become the tensors that the server takes, or its signature is refused", async (t) => {
    const signature: TestModel['signature'] = { inputs: [{ name: 'a', kind: 'numeric' }], output: 'probability' };
    const mixed = categoryModel().signature;
    const harness = await openGateway({
      modelServers: ['*'],
      table: async (put) => {
        const external = (model: string, wire: keyof typeof urls, more: object = {}) => ({
          runtime: 'external',
          url: urls[wire],
          model,
          ...more,
        });
        const endpoints: RoutingTable['endpoints'] = {};
        const add = async (name: string, model: TestModel): Promise<void> => {
          endpoints[name] = endpointOf(name, await put(model, name, 1));
        };
        await add('column', declared(external('remote', 'rest'), signature));
        await add('two', declared(external('mixed', 'grpc'), mixed));
        await add('other', declared(external('mixed', 'rest'), X));
        await add('version', declared(external('remote', 'grpc', { version: '1' }), signature));
        return { version: 1, endpoints };
      },
    });
    t.after(() => harness.close());
    const ask = (name: string, inputs: object) => harness.post(`/v1/endpoints/${name}/predict`, { inputs });
    for (const name of ['column', 'version']) {
      assert.ok(Math.abs((await ask(name, { a: 1 })).body.output.probability - sigmoid(2)) < 1e-6, name);
    }
    assert.equal((await ask('two', { x: 4, c: 'b' })).body.output.value, 6);
    const other = await ask('other', { x: 1 });
    assert.equal(other.status, 503);
    assert.match(
      other.body.detail,
      /it takes x FP32 \[-1,1\], c BYTES \[-1,1\]; the signature of the version says x numeric/,
    );
  });
});

describe('a server on bad days', () => {
  const server = new ScriptedServer();
  let harness: GatewayHarness;
  let stateful: GatewayHarness;
  const open = (more: object, options: Partial<HarnessOptions> = {}) =>
    openGateway({
      modelServers: [server.url],
      table: async (put) => {
        const model = declared({ runtime: 'external', url: server.url, model: 'm', timeoutMs: 400, ...more });
        return { version: 1, endpoints: { e: endpointOf('e', await put(model, 'e', 1)) } };
      },
      ...options,
    });
  before(async () => {
    await server.listen();
    harness = await open({});
    stateful = await open({ stateless: false });
  });
  after(async () => {
    await harness.close();
    await stateful.close();
    await server.close();
  });
  const good = server.onInfer;
  const predict = (x: number, from = harness) => from.post('/v1/endpoints/e/predict', { inputs: { x } });

  test('its errors are told as what they mean', async () => {
    for (const [status, ours] of [
      [400, 400],
      [422, 400],
      [404, 503],
      [500, 500],
      [503, 503],
    ] as const) {
      server.onInfer = (_call, response) => server.answer(response, status, { error: 'in its own words' });
      const { status: told, body } = await predict(1);
      assert.equal(told, ours, `${status}`);
      assert.match(body.detail, /in its own words/);
      server.onInfer = good;
      // It is away after 404, until it is asked again.
      await until(async () => (await predict(1)).status === 200);
    }
    server.onInfer = (_call, response) =>
      server.answer(response, 200, { outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 1], data: ['no'] }] });
    const { status, body } = await predict(1);
    assert.equal(status, 500);
    assert.match(body.detail, /output 'y' of the answer/);
    server.onInfer = good;
  });

  test('a lost call is sent again where the model is stateless, and only there', async () => {
    for (const [from, sent, status] of [
      [harness, 2, 200],
      [stateful, 1, 503],
    ] as const) {
      const first = server.calls.length;
      server.onInfer = (call, response, body) => (call === first ? response.destroy() : good(call, response, body));
      assert.equal((await predict(1, from)).status, status);
      assert.equal(server.calls.length - first, sent);
      server.onInfer = good;
    }
  });

  test('one that says that it is busy is asked once more, and one that is late is not', async () => {
    const first = server.calls.length;
    server.onInfer = (call, response, body) =>
      call === first ? server.answer(response, 503, { error: 'busy' }) : good(call, response, body);
    assert.equal((await predict(3, stateful)).body.output.value, 6);
    assert.equal(server.calls.length - first, 2);
    server.onInfer = () => {};
    const late = await predict(1);
    assert.deepEqual([late.status, late.body.code], [504, 'gateway/timeout']);
    assert.equal(server.calls.length - first, 3);
    server.onInfer = good;
  });

  test('one that is away fails calls without sending them, and is used again when it is back', async () => {
    await server.close();
    assert.equal((await predict(1)).status, 503);
    const calls = server.calls.length;
    assert.match((await predict(1)).body.detail, /ECONNREFUSED|ECONNRESET|hang up/);
    await server.listen();
    await until(async () => (await predict(5)).body.output?.value === 10);
    assert.ok(server.calls.length > calls);
  });

  test('a model that takes something else when its server is back is loaded anew, and refused', async () => {
    const { metadata } = server;
    await server.close();
    assert.equal((await predict(1)).status, 503);
    server.metadata = { name: 'm', inputs: [], outputs: [] };
    await server.listen();
    await until(async () => /the signature of the version says x numeric/.test((await predict(1)).body.detail));
    server.metadata = metadata;
    await until(async () => (await predict(1)).status === 200);
  });
});

test('a canary over an external server answers its share, is recorded, falls back and is taken out', async (t) => {
  const server = new ScriptedServer();
  await server.listen();
  const harness = await openGateway({
    modelServers: [server.url],
    table: async (put) => {
      const current = await put(brittleModel(), 'm', 1);
      const model = declared({ runtime: 'external', url: server.url, model: 'm', connections: 2 });
      const candidate = { ...(await put(model, 'm', 2)), weight: 30, shadow: false };
      const guardrail = { errorRateMax: 0.2, latencyP95MsMax: 60_000, requestsMin: 20, windowMs: 600_000 };
      const e = endpointOf('e', current, { candidate, rollout: 'roll_1', guardrail });
      return { version: 1, endpoints: { e } };
    },
  });
  t.after(async () => {
    await harness.close();
    await server.close();
  });
  const ask = (from: number, count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, i) =>
        harness.post('/v1/endpoints/e/predict', { id: `r-${from + i}`, inputs: { x: 2 } }),
      ),
    );

  const answers = await ask(0, 100);
  await harness.gateway.flush();
  const share = answers.filter(({ body }) => body.arm === 'candidate').length;
  assert.ok(share > 10 && share < 55, `${share}`);
  for (const { body } of answers) assert.equal(body.output.value, body.arm === 'candidate' ? 4 : 2);
  await until(async () => {
    await harness.gateway.flush();
    return harness.controlPlane.records.length === 100;
  });
  for (const record of harness.controlPlane.records) {
    assert.equal(record.propensity, record.arm === 'candidate' ? 0.3 : 0.7);
    assert.deepEqual(
      record.shadow,
      record.arm === 'candidate' ? { revision: 'm@1', score: 2 } : { revision: 'm@2', score: 4 },
    );
  }

  await server.close();
  const fallen = await ask(100, 100);
  assert.ok(fallen.every(({ status, body }) => status === 200 && body.output.value === 2));
  assert.ok(fallen.some(({ body }) => body.fallback === true));
  await until(async () => harness.controlPlane.reports.length > 0);
  const [report] = harness.controlPlane.reports as [{ readonly reason: string; readonly rollout: string }];
  assert.deepEqual([report.reason, report.rollout], ['error-rate', 'roll_1']);
});
