import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { endpointOf, type GatewayHarness, openGateway } from '../testing/gateway-harness.ts';
import { logisticModel } from '../testing/models.ts';
import { callOip, type OipAnswer, type OipReply, pipelined, tensorOf } from '../testing/open-inference-call.ts';
import { bill, lookUp, sumAndDifference, times } from '../testing/tensor-models.ts';

let harness: GatewayHarness;
before(async () => {
  harness = await openGateway({
    limits: { bodyBytesMax: 1_000_000 },
    repository: {
      'sums/1/model.onnx': sumAndDifference(),
      'sums/config.pbtxt': 'max_batch_size: 8',
      'times/1/model.onnx': times(30),
      'look-up/1/model.onnx': lookUp(),
      'bill/1/model.onnx': bill(),
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
const statisticsOf = async (model: string): Promise<OipAnswer['model_stats'][number]> => {
  const [found] = (await call(`models/${model}/stats`)).json.model_stats;
  return found ?? assert.fail(`there are no statistics of ${model}`);
};

describe('requests of one turn', () => {
  const sums = (x: number): unknown => {
    const data = [x, x, x, x, -x, -x, -x, -x];
    return { inputs: ['INPUT0', 'INPUT1'].map((name) => tensorOf(name, 'INT32', [2, 4], data)) };
  };

  test('are joined into runs of at most the batch of the model, and each gets its own rows', async () => {
    await call('models/sums/infer', sums(0));
    const before = await statisticsOf('sums');
    const answers = await pipelined(
      harness.gateway.url,
      'models/sums/infer',
      Array.from({ length: 64 }, (_, i) => sums(i + 1)),
    );
    const stats = await statisticsOf('sums');

    for (const [i, { outputs }] of answers.entries()) {
      const twice = 2 * (i + 1);
      assert.deepEqual(outputs[0]?.data, [twice, twice, twice, twice, -twice, -twice, -twice, -twice]);
    }
    assert.equal(stats.inference_count - before.inference_count, 128);
    assert.ok(stats.execution_count - before.execution_count < 64, `${stats.execution_count} runs`);
    assert.ok(stats.batch_stats.every(({ batch_size }) => batch_size <= 8));
    assert.equal(
      stats.batch_stats.reduce((sum, { batch_size, compute_infer }) => sum + batch_size * compute_infer.count, 0),
      stats.inference_count,
    );
  });

  test('that fail do not take the others of their run with them', async () => {
    const bodies = [0, 7, 1, 2].map((x) => ({ inputs: [tensorOf('x', 'INT64', [1], [x])] }));
    await call('models/look-up/infer', bodies[0]);
    const answers = await pipelined(harness.gateway.url, 'models/look-up/infer', bodies);

    assert.deepEqual(
      answers.map(({ outputs }) => outputs?.[0]?.data[0]),
      [0, undefined, 10, 20],
    );
    assert.match(answers[1]?.error ?? '', /^look-up, version 1: /);
  });
});

describe('statistics', () => {
  test('count rows, runs, requests and their time, and refusals', async () => {
    const before = await statisticsOf('bill');
    await call('models/bill/infer', {
      inputs: [
        tensorOf('count', 'INT64', [3, 2], [1, 1, 1, 1, 1, 1]),
        tensorOf('price', 'FP32', [3, 2], [1, 1, 1, 1, 1, 1]),
        tensorOf('limit', 'FP32', [3, 1], [1, 1, 1]),
      ],
    });
    await call('models/bill/infer', { inputs: [] });
    const stats = await statisticsOf('bill');
    const grown = (name: string): number =>
      (stats.inference_stats[name]?.count ?? 0) - (before.inference_stats[name]?.count ?? 0);

    assert.equal(stats.inference_count - before.inference_count, 3);
    assert.equal(stats.execution_count - before.execution_count, 1);
    assert.deepEqual(['success', 'fail', 'queue', 'compute_infer'].map(grown), [1, 1, 1, 1]);
    assert.ok((stats.inference_stats['compute_infer']?.ns ?? 0) > 0);
  });

  test('of an endpoint count what came over any protocol', async () => {
    const before = await statisticsOf('delays');
    const instances = [{ inputs: { a: 1, b: 2 } }, { inputs: { a: 0, b: 2 } }];
    await harness.post('/v1/endpoints/delays/predict', { instances });
    await call('models/delays/infer', { inputs: [tensorOf('features', 'FP32', [1, 2], [1, 2])] });
    await call('models/delays/infer', { inputs: [] });
    const stats = await statisticsOf('delays');
    const grown = (name: string): number =>
      (stats.inference_stats[name]?.count ?? 0) - (before.inference_stats[name]?.count ?? 0);

    assert.equal(stats.inference_count - before.inference_count, 3);
    assert.deepEqual(['success', 'fail'].map(grown), [2, 1]);
  });
});

test('the statistics are exposed to Prometheus under the names of Triton', async () => {
  await call('models/times/infer', { inputs: [tensorOf('x', 'FP32', [3], [1, 2, 3])] });
  const [{ inference_count: rows, execution_count: runs }] = [await statisticsOf('times')];
  const text = await (await fetch(`${harness.gateway.url}/metrics`)).text();

  assert.ok(rows >= 3);
  assert.match(text, new RegExp(`^nv_inference_count\\{model="times",version="1"\\} ${rows}$`, 'm'));
  assert.match(text, new RegExp(`^nv_inference_exec_count\\{model="times",version="1"\\} ${runs}$`, 'm'));
  assert.match(text, /^# TYPE nv_inference_request_success counter$/m);
  assert.match(text, /^process_cpu_user_seconds_total/m);
});

describe('content coding', () => {
  const numbers = Array.from({ length: 1_000 }, (_, i) => i);
  const body = gzipSync(JSON.stringify({ inputs: [tensorOf('x', 'FP32', [1_000], numbers)] }));

  test('compressed requests are read, and answers are compressed where that was asked for and pays', async () => {
    const plain = await call('models/times/infer', body, { 'content-encoding': 'gzip', 'accept-encoding': 'identity' });
    assert.equal(plain.json.outputs[0]?.data[999], 999 * 30);

    const compressed = await new Promise<{ coding: string | undefined; bytes: Buffer }>((resolve, reject) => {
      const url = `${harness.gateway.url}/v2/models/times/infer`;
      const headers = { 'content-encoding': 'gzip', 'accept-encoding': 'br, gzip;q=0.5' };
      const sent = request(url, { method: 'POST', headers }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => resolve({ coding: answer.headers['content-encoding'], bytes: Buffer.concat(chunks) }));
      });
      sent.on('error', reject).end(body);
    });
    assert.equal(compressed.coding, 'gzip');
    assert.equal(JSON.parse(gunzipSync(compressed.bytes).toString()).outputs[0].data[999], 999 * 30);
  });

  test('a body that inflates past the limit is refused with 413, one that is not of its coding with 400', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const big = await call('models/times/infer', bomb, { 'content-encoding': 'gzip' });
    const wrong = await call('models/times/infer', Buffer.from('{}'), { 'content-encoding': 'gzip' });
    const unknown = await call('models/times/infer', Buffer.from('{}'), { 'content-encoding': 'br' });

    assert.deepEqual([big.status, wrong.status, unknown.status], [413, 400, 415]);
    assert.ok(bomb.length < 1_000_000);
  });
});
