import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Digest } from '#core/hash';
import type { TensorVersion } from '../../routing.ts';
import { type GatewayHarness, openGateway } from '../testing/gateway-harness.ts';
import { logisticModel } from '../testing/models.ts';
import { pipelined, tensorOf } from '../testing/open-inference-call.ts';
import { bill, identity, times } from '../testing/tensor-models.ts';

let harness: GatewayHarness;
before(async () => {
  harness = await openGateway({ table: async () => ({ version: 1, endpoints: {} }) });
  const { versions } = harness.controlPlane;
  const add = async (model: string, bytes: Uint8Array, beside: TensorVersion['tensors']['beside'] = []) => {
    const { digest } = await harness.blobs.put(bytes);
    versions.set(`${model}@1`, { revision: `${model}@1`, model, version: 1, tensors: { digest, beside } });
  };
  await add('bill', bill());
  await add('words', identity('string'), [
    { path: 'weights.bin', digest: (await harness.blobs.put(Buffer.from('weights'))).digest },
  ]);
  await add('times', times(3));
  const { bytes, signature } = logisticModel({ a: 1 });
  const { digest } = await harness.blobs.put(bytes);
  versions.set('columns@1', { revision: 'columns@1', model: 'columns', version: 1, digest, signature });
  versions.set('gone@1', {
    ...{ revision: 'gone@1', model: 'gone', version: 1 },
    tensors: { digest: `sha256:${'0'.repeat(64)}` as Digest, beside: [] },
  });
});
after(() => harness.close());

const get = async (path: string) => {
  const response = await fetch(`${harness.gateway.url}/v2/models/${path}`);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

test('a registered version of any tensors is described by its file and called by its tensors', async () => {
  const { body } = await get('bill/versions/1');
  assert.deepEqual(body['inputs'], [
    { name: 'price', datatype: 'FP32', shape: [-1, 2] },
    { name: 'count', datatype: 'INT64', shape: [-1, 2] },
    { name: 'limit', datatype: 'FP32', shape: [-1, 1] },
  ]);
  assert.equal((await get('bill/versions/1/config')).body['max_batch_size'], 1_000);
  assert.equal((await get('bill/versions/1/ready')).status, 200);
  const inputs = [
    tensorOf('price', 'FP32', [1, 2], [1.5, 2]),
    tensorOf('count', 'INT64', [1, 2], [2, 3]),
    tensorOf('limit', 'FP32', [1, 1], [4]),
  ];
  const answer = await harness.post('/v2/models/bill/versions/1/infer', { inputs });
  assert.deepEqual(
    answer.body.outputs.map(({ data }) => data),
    [
      [3, 6],
      [false, true],
    ],
  );
  const words = await harness.post('/v2/models/words/versions/1/infer', {
    inputs: [tensorOf('x', 'BYTES', [1, 1], ['ü'])],
  });
  assert.deepEqual(words.body.outputs[0]?.data, ['ü']);
});

test('its requests are joined, counted, and translated from the other protocols', async () => {
  const body = (x: number) => ({ inputs: [tensorOf('x', 'FP32', [1], [x])] });
  await harness.post('/v2/models/times/versions/1/infer', body(1));
  const answers = await pipelined(harness.gateway.url, 'models/times/versions/1/infer', [1, 2, 3, 4].map(body));
  assert.deepEqual(
    answers.map(({ outputs }) => outputs[0]?.data),
    [[3], [6], [9], [12]],
  );
  const [stats] = (await get('times/versions/1/stats')).body['model_stats'] as { [name: string]: number }[];
  assert.equal(stats?.['inference_count'], 5);
  assert.ok((stats?.['execution_count'] ?? 9) < 5);
  const scored = await harness.post('/v1/models/times/versions/1:predict', { instances: [{ x: 5 }, { x: 6 }] });
  assert.deepEqual(scored.body.predictions, [15, 18]);
});

test('versions of columns are called as before, and what is not there is told', async () => {
  const columns = { inputs: [tensorOf('a', 'FP32', [1], [0])] };
  assert.deepEqual((await harness.post('/v2/models/columns/versions/1/infer', columns)).body.outputs[0]?.data, [0.5]);
  assert.equal((await harness.post('/v2/models/gone/versions/1/infer', columns)).status, 503);
  assert.equal((await harness.post('/v2/models/bill/versions/2/infer', columns)).status, 404);
  const wrong = await harness.post('/v2/models/bill/versions/1/infer', columns);
  assert.deepEqual([wrong.status, /inputs\.a: is not an input/.test(String(wrong.body.error))], [400, true]);
});
