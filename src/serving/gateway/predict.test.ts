import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { endpointOf, type GatewayHarness, openGateway } from './testing/gateway-harness.ts';
import { brittleModel, categoryModel, logisticModel } from './testing/models.ts';

const near = (actual: number, expected: number): void => assert.ok(Math.abs(actual - expected) < 1e-6, `${actual}`);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

describe('predicting over HTTP', () => {
  let harness: GatewayHarness;
  const predict = (endpoint: string, body: unknown) => harness.post(`/v1/endpoints/${endpoint}/predict`, body);

  before(async () => {
    harness = await openGateway({
      limits: { bodyBytesMax: 10_000, instancesMax: 5 },
      table: async (put) => ({
        version: 1,
        endpoints: {
          delays: endpointOf('delays', await put(logisticModel({ a: 1, b: -2 }, 0.5), 'delay', 3)),
          kinds: endpointOf('kinds', await put(categoryModel(), 'kind', 1)),
          brittle: endpointOf('brittle', await put(brittleModel(), 'brittle', 1)),
        },
      }),
    });
  });
  after(() => harness.close());

  test('answers the probability of the current revision under the given id', async () => {
    const { status, body } = await predict('delays', { id: 'r-1', at: 1_000, inputs: { a: 2, b: 1 } });

    assert.equal(status, 200);
    near(body.output.probability, sigmoid(0.5));
    assert.deepEqual(
      { ...body, output: 0 },
      { id: 'r-1', endpoint: 'delays', revision: 'delay@3', arm: 'current', output: 0 },
    );
  });

  test('answers requests that are alike, and those among them that are not, each as it is alone', async () => {
    const bodies = [
      { inputs: { a: 1, b: 2 } },
      { inputs: { a: -0.25, b: 1e-7 } },
      { id: 'r-2', inputs: { a: null, b: 0.125 } },
      { inputs: { b: 3, a: 4 } },
      { id: 'é', inputs: { a: 1 / 3, b: 12 } },
      { inputs: { a: 'x', b: 1 } },
      { inputs: { a: 1e39, b: 1 } },
      { inputs: { a: 1 } },
      { id: '', inputs: { a: 1, b: 1 } },
      { inputs: { a: 1, b: 1, more: {} } },
    ];
    const told = async (body: unknown) => {
      const { status, body: answer } = await predict('delays', body);
      const { id, output, code, fields } = answer as typeof answer & { code?: string; fields?: unknown };
      return { status, id: (body as { id?: string }).id === undefined || id, output, code, fields };
    };
    // Alone, after another order of the inputs, which makes what was learnt of the order useless.
    const alone = [];
    for (const body of bodies) {
      await predict('delays', { inputs: { b: 0, a: 0 } });
      alone.push(await told(body));
    }
    for (let round = 0; round < 30; round++) {
      for (const [i, body] of bodies.entries()) {
        await predict('delays', { inputs: { a: round, b: i } });
        assert.deepEqual(await told(body), alone[i]);
      }
    }
    assert.deepEqual(
      alone.map(({ status }) => status),
      // A missing value is one that this model has no answer to.
      [200, 200, 500, 200, 200, 400, 400, 400, 400, 200],
    );
  });

  test('makes up an id when none is given', async () => {
    const first = await predict('delays', { inputs: { a: 0, b: 0 } });
    const second = await predict('delays', { inputs: { a: 0, b: 0 } });

    assert.match(first.body.id, /^pred_/);
    assert.notEqual(first.body.id, second.body.id);
  });

  test('scores a batch in order', async () => {
    const { body } = await predict('delays', {
      instances: [{ inputs: { a: 1, b: 0 } }, { id: 'x', inputs: { a: 0, b: 1 } }],
    });

    near(body.predictions[0].output.probability, sigmoid(1.5));
    near(body.predictions[1].output.probability, sigmoid(-1.5));
    assert.equal(body.predictions[1].id, 'x');
  });

  test('gives categories as they are, unknown and missing ones included', async () => {
    const value = async (c: string | null) => (await predict('kinds', { inputs: { x: 10, c } })).body.output.value;

    assert.deepEqual([await value('a'), await value('b'), await value('zebra'), await value(null)], [11, 12, 10, 10]);
  });

  const refusals: readonly [string, string, unknown, string][] = [
    ['a missing input', 'delays', { inputs: { a: 1 } }, 'inputs.b'],
    ['a text for a number', 'delays', { inputs: { a: '1', b: 1 } }, 'inputs.a'],
    ['a number beyond 32 bits', 'delays', '{"inputs":{"a":1e39,"b":1}}', 'inputs.a'],
    ['a number for a category', 'kinds', { inputs: { x: 1, c: 2 } }, 'inputs.c'],
    ['an array for the inputs', 'delays', { inputs: [1, 2] }, 'inputs'],
    ['a time in seconds with a fraction', 'delays', { at: 1.5, inputs: { a: 1, b: 1 } }, 'at'],
    ['an empty id', 'delays', { id: '', inputs: { a: 1, b: 1 } }, 'id'],
    ['a field that does not exist', 'delays', { input: {} }, 'input'],
    ['an entity that is no text', 'delays', { entities: { k: 1 }, inputs: { a: 1, b: 1 } }, 'entities.k'],
    [
      'a bad row of a batch',
      'delays',
      { instances: [{ inputs: { a: 1, b: 1 } }, { inputs: { a: 1 } }] },
      'instances.1.inputs.b',
    ],
    ['a batch without rows', 'delays', { instances: [] }, 'instances'],
    ['a batch over the limit', 'delays', { instances: Array(6).fill({ inputs: { a: 1, b: 1 } }) }, 'instances'],
    ['no object', 'delays', '[]', 'body'],
  ];
  for (const [what, endpoint, body, path] of refusals) {
    test(`refuses ${what} and names ${path}`, async () => {
      const { status, body: problem } = await predict(endpoint, body);

      assert.equal(status, 400);
      assert.equal(problem.code, 'gateway/invalid-request');
      assert.equal(problem.fields[0].path, path);
    });
  }

  test('passes over an input that no arm takes', async () => {
    const { status, body } = await predict('delays', { inputs: { a: 1, b: 0, retired: 'x' } });

    assert.equal(status, 200);
    near(body.output.probability, sigmoid(1.5));
  });

  test('refuses what is not JSON', async () => {
    const { status, body } = await predict('delays', '{"inputs":');

    assert.equal(status, 400);
    assert.match(body.detail, /is not JSON/);
  });

  test('refuses a body over the limit and goes on serving', async () => {
    const { status, body } = await predict('delays', JSON.stringify({ id: 'x'.repeat(20_000) }));

    assert.equal(status, 413);
    assert.match(body.detail, /10000 bytes/);
    assert.equal((await predict('delays', { inputs: { a: 1, b: 1 } })).status, 200);
  });

  test('answers 404 for an endpoint it does not know, and 405 for the wrong method', async () => {
    assert.equal((await predict('nobody', { inputs: {} })).status, 404);
    assert.equal((await fetch(`${harness.gateway.url}/v1/endpoints/delays/predict`)).status, 405);
    assert.equal((await fetch(`${harness.gateway.url}/elsewhere`)).status, 404);
  });

  test('a row that makes its model fail takes no other request with it', async () => {
    const xs = [0, 1, 7, 2, 1];
    const answers = await Promise.all(xs.map((x) => predict('brittle', { inputs: { x } })));

    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 500, 200, 200],
    );
    assert.deepEqual(
      answers.map(({ body }) => body.output?.value),
      [0, 1, undefined, 2, 1],
    );
    assert.equal(answers[2]?.body.code, 'gateway/model-failed');
  });

  test('a batch tells which of its rows failed', async () => {
    const { status, body } = await predict('brittle', {
      instances: [{ inputs: { x: 1 } }, { id: 'bad', inputs: { x: 9 } }],
    });

    assert.equal(status, 200);
    assert.equal(body.predictions[0].output.value, 1);
    assert.deepEqual([body.predictions[1].id, body.predictions[1].error.code], ['bad', 'gateway/model-failed']);
  });

  test('many requests at once get each their own answer', async () => {
    const xs = Array.from({ length: 200 }, (_, i) => i / 100);
    const answers = await Promise.all(xs.map((a) => predict('delays', { id: `m-${a}`, inputs: { a, b: 0 } })));

    for (const [i, { body }] of answers.entries()) {
      assert.equal(body.id, `m-${xs[i]}`);
      near(body.output.probability, sigmoid((xs[i] as number) + 0.5));
    }
  });

  test('what it counts can be scraped', async () => {
    const text = await (await fetch(`${harness.gateway.url}/metrics`)).text();

    assert.match(text, /kedge_gateway_records_total\{.*outcome="recorded".*\} \d+/);
  });
});
