import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Client, credentials } from '@grpc/grpc-js';
import type { BatchingSpec } from '../../batching-spec.ts';
import { loadService } from '../grpc/service.ts';
import { endpointOf, type GatewayHarness, openGateway } from '../testing/gateway-harness.ts';
import { logisticModel } from '../testing/models.ts';
import { callOip, tensorOf } from '../testing/open-inference-call.ts';
import { times } from '../testing/tensor-models.ts';

/** Nothing runs by itself within a test: a run begins when its two rows are there. */
const BATCHING: BatchingSpec = {
  ...{ maxRows: 2, maxDelayMs: 10_000, queueMax: null, queueTimeoutMs: null, whenLate: 'reject', priorities: null },
};
const WAYS = ['predict', 'infer', 'invocations', 'model', 'tensors', 'rpc', 'stream'] as const;
type Way = (typeof WAYS)[number];

let harness: GatewayHarness;
let client: Client;
before(async () => {
  harness = await openGateway({
    grpcPort: 0,
    limits: { predictTimeoutMs: 60_000 },
    repository: {
      'model/1/model.onnx': times(3),
      'model/config.pbtxt': 'max_batch_size: 2 dynamic_batching { max_queue_delay_microseconds: 10000000 }',
    },
    table: async (put) => {
      const columns = await put(logisticModel({ x: 1 }), 'm', 1);
      const bytes = times(3);
      const tensors = await put({ bytes, signature: { inputs: [], output: 'value' } }, 't', 1);
      const protection = { callers: null, limits: [], lifecycle: null, cache: null, breaker: null, fallbacks: [] };
      const declared = {
        ...{ batching: BATCHING, timeoutMs: 60_000 },
        // One that left keeps no place.
        protection: { ...protection, concurrency: { max: 1, adaptive: false }, whenSharedDown: 'local' as const },
      };
      const names = WAYS.filter((way) => way !== 'model');
      const endpoints = names.map((name) => endpointOf(name, name === 'tensors' ? tensors : columns, declared));
      const narrow = endpointOf('narrow', columns, { batching: { ...BATCHING, queueMax: 1 }, timeoutMs: 60_000 });
      const kept = endpointOf('kept', columns, { batching: BATCHING, timeoutMs: 60_000 });
      const all = [...endpoints, narrow, kept];
      return { version: 1, endpoints: Object.fromEntries(all.map((one) => [one.name, one])) };
    },
  });
  client = new Client(harness.gateway.grpcAddress ?? '', credentials.createInsecure());
});
after(async () => {
  client.close();
  await harness.close();
});

const infer = (name: string, rows: number) => ({
  model_name: name,
  inputs: [
    tensorOf(
      'x',
      'FP32',
      [rows],
      Array.from({ length: rows }, () => 1),
    ),
  ],
});

/** Begins a request over HTTP; what it returns breaks the connection off. */
function begin(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): () => void {
  const sent = request(`${harness.gateway.url}${path}`, { method: 'POST', headers });
  sent.on('error', () => undefined);
  sent.end(JSON.stringify(body));
  return () => sent.destroy();
}

async function beginCall(name: string): Promise<() => void> {
  const { ModelInfer, ModelStreamInfer } = await loadService();
  assert.ok(ModelInfer && ModelStreamInfer);
  const { inputs } = infer(name, 1);
  const message = {
    model_name: name,
    inputs: inputs.map(({ data, ...one }) => ({ ...one, contents: { fp32_contents: data } })),
  };
  if (name === 'rpc') {
    const { path, requestSerialize, responseDeserialize } = ModelInfer;
    const call = client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, () => undefined);
    return () => call.cancel();
  }
  const { path, requestSerialize, responseDeserialize } = ModelStreamInfer;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  call.on('error', () => undefined).on('data', () => undefined);
  call.write(message);
  return () => call.cancel();
}

function beginBy(way: Way): Promise<() => void> | (() => void) {
  if (way === 'rpc' || way === 'stream') return beginCall(way);
  if (way === 'predict') return begin('/v1/endpoints/predict/predict', { inputs: { x: 1 } });
  if (way === 'invocations') return begin('/endpoints/invocations/invocations', { instances: [{ x: 1 }] });
  return begin(`/v2/models/${way}/infer`, infer(way, 1));
}

/** Resolves when a line of the metrics has this value. */
async function until(metric: string, value: number, url = harness.gateway.url): Promise<void> {
  for (;;) {
    const text = await (await fetch(`${url}/metrics`)).text();
    if (text.split('\n').includes(`${metric} ${value}`)) return;
  }
}
const pending = (model: string) => `nv_inference_pending_request_count{model="${model}",version="1"}`;
const cancelled = (model: string) => `nv_inference_request_failure{model="${model}",version="1",reason="CANCELED"}`;

describe('a client that leaves', () => {
  for (const way of WAYS) {
    test(`has its rows taken out of the queue, and its place freed: ${way}`, async () => {
      const leave = await beginBy(way);
      await until(pending(way), 1);
      leave();
      await until(cancelled(way), 1);
      await until(pending(way), 0);
      const { status } = await callOip(harness.gateway.url, `models/${way}/infer`, { body: infer(way, 2) });
      const [statistics] = (await callOip(harness.gateway.url, `models/${way}/stats`)).json.model_stats;

      assert.equal(status, 200);
      assert.deepEqual([statistics?.execution_count, statistics?.inference_count], [1, 2]);
      assert.deepEqual(statistics?.inference_stats['fail']?.count, 1);
    });
  }

  test('has left no predictions behind', async () => {
    await harness.gateway.flush();
    const counts = new Map<string, number>();
    for (const { endpoint } of harness.controlPlane.records) counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);

    // Those of the requests that were answered: two rows, which of tensors are one prediction.
    const names = WAYS.filter((way) => way !== 'model');
    assert.deepEqual(
      Object.fromEntries(counts),
      Object.fromEntries(names.map((way) => [way, way === 'tensors' ? 1 : 2])),
    );
  });

  test('may come back for an answer that is kept for it', async () => {
    const response = await fetch(`${harness.gateway.url}/v2/models/kept/infer`, {
      method: 'POST',
      headers: { prefer: 'respond-async', connection: 'close' },
      body: JSON.stringify(infer('kept', 1)),
    });
    const place = response.headers.get('location') ?? '';
    await response.text();
    await until(pending('kept'), 1);
    await callOip(harness.gateway.url, 'models/kept/infer', { body: infer('kept', 1) });

    let status = 202;
    while (status === 202) ({ status } = await fetch(`${harness.gateway.url}${place}`));
    assert.equal(status, 200);
  });
});

test('a request says how long it may wait by its parameters, or by a header where there are none', async () => {
  const headers = { 'x-kedge-queue-timeout-ms': '1' };
  const parameters = { timeout: 1_000 };
  const frame = { instances: [{ x: 1 }] };
  const asked = [
    ['/v1/endpoints/predict/predict', { inputs: { x: 1 } }, headers],
    ['/endpoints/invocations/invocations', frame, headers],
    ['/v1/models/invocations:predict', frame, headers],
    ['/v2/models/infer/infer', { ...infer('infer', 1), parameters }, {}],
    ['/v2/models/tensors/infer', { ...infer('tensors', 1), parameters }, {}],
  ] as const;
  for (const [path, body, more] of asked) {
    const init = { method: 'POST', headers: more, body: JSON.stringify(body) };
    const response = await fetch(`${harness.gateway.url}${path}`, init);
    assert.deepEqual([path, response.status, response.headers.get('retry-after')], [path, 503, '1']);
    assert.match(await response.text(), /the request has waited 1 ms/);
  }
  for (const given of [{ timeout: 'soon' }, { priority: -1 }, { priority: 1.5 }]) {
    const body = { ...infer('infer', 1), parameters: given };
    const { status, json } = await callOip(harness.gateway.url, 'models/infer/infer', { body });
    assert.equal(status, 400);
    assert.match(json.error, /^parameters\.(timeout|priority): expected a whole number/);
  }
});

test('a gateway that closes waits for nobody, and answers what waits', async () => {
  const closing = await openGateway({
    repository: {
      'model/1/model.onnx': times(3),
      'model/config.pbtxt': 'max_batch_size: 2 dynamic_batching { max_queue_delay_microseconds: 86400000000 }',
    },
    limits: { predictTimeoutMs: 600_000 },
    table: async (put) => {
      const columns = await put(logisticModel({ x: 1 }), 'm', 1);
      return { version: 1, endpoints: { e: endpointOf('e', columns, { batching: BATCHING, timeoutMs: 600_000 }) } };
    },
  });
  const { url } = closing.gateway;
  const asked = ['e', 'model'].map((name) => callOip(url, `models/${name}/infer`, { body: infer(name, 1) }));
  for (const name of ['e', 'model']) await until(pending(name), 1, url);
  await closing.close();

  assert.deepEqual(
    (await Promise.all(asked)).map(({ status }) => status),
    [200, 200],
  );
});

test('a full queue is told with 503, when to come again, and its limit', async () => {
  const leave = begin('/v1/endpoints/narrow/predict', { inputs: { x: 1 } });
  await until(pending('narrow'), 1);
  const ask = (headers: Record<string, string> = {}) =>
    fetch(`${harness.gateway.url}/v1/endpoints/narrow/predict`, {
      method: 'POST',
      headers,
      body: '{"inputs":{"x":1}}',
    });
  const refused = await ask();
  const wrong = await ask({ 'x-kedge-priority': 'high' });
  leave();
  await until(pending('narrow'), 0);

  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '1']);
  assert.match(await refused.text(), /'narrow' has 1 requests waiting, which is batching\.queueMax/);
  assert.equal(wrong.status, 400);
  assert.match(await wrong.text(), /x-kedge-priority: expected a whole number/);
  const text = await (await fetch(`${harness.gateway.url}/metrics`)).text();
  assert.match(text, /^nv_inference_request_failure\{model="narrow",version="1",reason="REJECTED"\} 1$/m);
});
