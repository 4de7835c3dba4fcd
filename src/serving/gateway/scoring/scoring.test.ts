import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { endpointOf, type GatewayHarness, openGateway } from '../testing/gateway-harness.ts';
import { categoryModel, logisticModel } from '../testing/models.ts';
import { bill, times } from '../testing/tensor-models.ts';

const sigmoid = (x: number): number => Math.fround(1 / (1 + Math.exp(-x)));

describe("the contracts of MLflow's scoring server, SageMaker's and Vertex AI's containers", () => {
  let harness: GatewayHarness;
  before(async () => {
    harness = await openGateway({
      repository: { 'times/1/model.onnx': times(10), 'bill/1/model.onnx': bill() },
      contract: { defaultEndpoint: 'delays', predictRoute: '/made/up:predict', healthRoute: '/made/up' },
      table: async (put) => ({
        version: 1,
        endpoints: {
          delays: endpointOf('delays', await put(logisticModel({ a: 1, b: -2 }), 'delay', 3)),
          kinds: endpointOf('kinds', await put(categoryModel(), 'kind', 1)),
        },
      }),
    });
  });
  after(() => harness.close());

  async function send(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const response = await fetch(harness.gateway.url + path, { method: 'POST', body: text, headers });
    return { status: response.status, text: await response.text(), type: response.headers.get('content-type') };
  }
  async function predictions(path: string, body: unknown, headers?: Readonly<Record<string, string>>) {
    const { status, text } = await send(path, body, headers);
    assert.equal(status, 200, text);
    return (JSON.parse(text) as { predictions: unknown }).predictions;
  }
  const expected = [sigmoid(1), sigmoid(-2)];
  function near(actual: unknown): void {
    assert.ok(Array.isArray(actual) && actual.length === 2);
    for (const [i, value] of actual.entries()) assert.ok(Math.abs(value - (expected[i] ?? 0)) < 1e-6, String(actual));
  }

  test('every form of the same two rows gets the same two predictions', async () => {
    const split = {
      dataframe_split: {
        columns: ['b', 'x', 'a'],
        index: [7, 8],
        data: [
          [0, 'extra', 1],
          [1, 'extra', 0],
        ],
      },
    };
    near(await predictions('/invocations', split));
    near(
      await predictions('/invocations', {
        dataframe_records: [
          { a: 1, b: 0 },
          { b: 1, a: 0 },
        ],
      }),
    );
    near(
      await predictions('/invocations', {
        instances: [
          [1, 0],
          [0, 1],
        ],
      }),
    );
    near(await predictions('/invocations', { inputs: { a: [1, 0], b: [0, 1] } }));
    near(
      await predictions('/invocations', [
        [1, 0],
        [0, 1],
      ]),
    );
    near(await predictions('/invocations', 'b,a\r\n0,1\r\n1,0\r\n', { 'content-type': 'text/csv; charset=utf-8' }));
    near(await predictions('/invocations', '1,0\n0,1', { 'content-type': 'text/csv' }));
    near(await predictions('/invocations', '{"features":[1,0]}\n[0,1]\n', { 'content-type': 'application/jsonlines' }));
    near(
      await predictions('/endpoints/delays/invocations', {
        instances: [
          [1, 0],
          [0, 1],
        ],
      }),
    );
    near(
      await predictions('/v1/models/delays:predict', {
        instances: [
          { a: 1, b: 0 },
          { b: 1, a: 0 },
        ],
      }),
    );
    near(
      await predictions('/made/up:predict', {
        instances: [
          [1, 0],
          [0, 1],
        ],
        parameters: {},
      }),
    );
  });

  test('answers have the form that was asked for', async () => {
    const body = { instances: [[0, 0]] };
    assert.deepEqual(await send('/invocations', body, { accept: 'text/csv' }), {
      ...{ status: 200, text: '0.5\n', type: 'text/csv' },
    });
    assert.equal(
      (await send('/invocations', body, { accept: 'application/jsonlines' })).text,
      '{"predictions":[0.5]}\n',
    );
  });

  test('categories, missing values and the numbers of Python that are none', async () => {
    const csv = 'x,c\n1,a\n1,\n1,"b"\n';
    assert.deepEqual(await predictions('/v1/models/kinds:predict', csv, { 'content-type': 'text/csv' }), [2, 1, 3]);
    const python =
      '{"dataframe_records": [{"x": 1.5, "c": "a NaN", "other": NaN}, {"x": 2, "c": null, "other": -Infinity}]}';
    assert.deepEqual(await predictions('/v1/models/kinds:predict', python), [1.5, 2]);
  });

  test('a prediction of the default endpoint is recorded under the id that SageMaker gives it', async () => {
    await predictions('/invocations', { instances: [[1, 0]] }, { 'x-amzn-sagemaker-inference-id': 'given' });
    await harness.gateway.flush();
    assert.equal(harness.controlPlane.records.filter(({ id }) => id === 'given').length, 1);
  });

  test('models of any tensors are scored a row each', async () => {
    assert.deepEqual(await predictions('/v1/models/times:predict', { instances: [1, 2] }), [10, 20]);
    const rows = [
      { price: [1, 2], count: [3, 4], limit: [5] },
      { price: [0.5, 1], count: [1, 1], limit: [0] },
    ];
    assert.deepEqual(await predictions('/v1/models/bill/versions/1:predict', { instances: rows }), [
      { total: [3, 8], over: [false, true] },
      { total: [0.5, 1], over: [true, true] },
    ]);
  });

  test('tells its health and its endpoints', async () => {
    const get = async (path: string) => {
      const response = await fetch(harness.gateway.url + path);
      return { status: response.status, text: await response.text() };
    };
    for (const path of ['/ping', '/health', '/made/up']) assert.equal((await get(path)).status, 200, path);
    assert.deepEqual(JSON.parse((await get('/v1/models/kinds')).text), { name: 'kinds', ready: true });
    assert.equal((await get('/v1/models/nobody')).status, 404);
    const { endpoints } = JSON.parse((await get('/api/2.0/endpoints/')).text) as { endpoints: { name: string }[] };
    assert.deepEqual(
      endpoints.map(({ name }) => name),
      ['delays', 'kinds'],
    );
    assert.equal((await get('/invocations')).status, 405);
  });

  test('refuses what cannot be scored, with what is wrong', async () => {
    const cases: readonly [unknown, RegExp, string?][] = [
      [{}, /exactly one of/],
      [{ instances: [[1, 0]], inputs: [[1, 0]] }, /exactly one of/],
      [{ instances: [] }, /instances: is empty/],
      [{ instances: [[1]] }, /instances\.0: has 1 cells, the model takes 2 inputs/],
      [{ instances: [{ a: 1 }, 3] }, /instances\.1: expected an object/],
      [{ instances: [{ a: 1 }] }, /inputs\.b: is missing/],
      [{ instances: [{ a: 1, b: 'one' }] }, /inputs\.b/],
      [{ dataframe_split: { columns: ['a', 'b'], data: [[1]] } }, /data\.0: has 1 cells, columns has 2/],
      [{ inputs: { a: [1, 2], b: [1] } }, /inputs\.b: has 1 rows, another column 2/],
      ['no JSON', /is not JSON/],
      ['1,"2', /is not CSV/, 'text/csv'],
      ['a,b\n1,x\n', /expected a number, found 'x'/, 'text/csv'],
    ];
    for (const [body, words, type = 'application/json'] of cases) {
      const { status, text } = await send('/invocations', body, { 'content-type': type });
      assert.equal(status, 400, text);
      const { error_code, message } = JSON.parse(text) as { error_code: string; message: string };
      assert.equal(error_code, 'BAD_REQUEST');
      assert.match(message, words);
    }
  });
});
