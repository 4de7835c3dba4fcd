import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { protectionSpec } from '../../../protection-spec.ts';
import { endpointOf, type GatewayHarness, openGateway } from '../../testing/gateway-harness.ts';
import { brittleModel, categoryModel, logisticModel, slowModel } from '../../testing/models.ts';
import { callOip, pipelined } from '../../testing/open-inference-call.ts';

const constant = { by: 'constant' as const, score: 0.25 };

describe('what answers when the current revision cannot', () => {
  let harness: GatewayHarness;
  before(async () => {
    harness = await openGateway({
      table: async (put) => {
        const brittle = await put(brittleModel(), 'brittle', 2);
        const previous = await put(slowModel(0), 'brittle', 1);
        const category = await put(categoryModel(), 'kind', 1);
        const foreign = await put(logisticModel({ z: 1 }), 'other', 1);
        const rule = {
          cases: [
            { when: [{ input: 'x', is: 'above' as const, value: 100 }], score: 0.9 },
            { when: [{ input: 'x', is: 'in' as const, value: [7, 8] }], score: 0.7 },
          ],
          otherwise: 0.1,
        };
        const protect = (more: object) => protectionSpec.parse(more);
        const breaker = { requestsMin: 4, failureRate: 0.5, openMs: 60_000 };
        return {
          version: 1,
          endpoints: {
            chained: endpointOf('chained', brittle, {
              protection: protect({}),
              fallbacks: [{ by: 'previous', arm: previous }, constant],
            }),
            ruled: endpointOf('ruled', brittle, { protection: protect({}), fallbacks: [{ by: 'rule', rule }] }),
            skipping: endpointOf('skipping', brittle, {
              protection: protect({}),
              // These take inputs that the current revision does not, so they cannot answer for it.
              fallbacks: [{ by: 'model', arm: category }, { by: 'model', arm: foreign }, constant],
            }),
            broken: endpointOf('broken', brittle, { protection: protect({ breaker }) }),
            covered: endpointOf('covered', brittle, { protection: protect({ breaker }), fallbacks: [constant] }),
            narrow: endpointOf('narrow', await put(slowModel(20), 'slow', 1), {
              protection: protect({ concurrency: { max: 2 } }),
            }),
          },
        };
      },
    });
  });
  after(() => harness.close());

  const predict = (endpoint: string, x: number, id?: string) =>
    harness.post(`/v1/endpoints/${endpoint}/predict`, { inputs: { x }, ...(id ? { id } : {}) });

  test('the previous revision answers, and is named in the reply and in the record', async () => {
    const well = await predict('chained', 1);
    const failed = await predict('chained', 50, 'chained-1');

    assert.deepEqual([well.body.revision, well.body.fallback], ['brittle@2', undefined]);
    assert.deepEqual([failed.body.revision, failed.body.fallback], ['brittle@1', 'previous']);
    assert.equal(failed.body.output.value, 50);
    await harness.gateway.flush();
    const record = harness.controlPlane.records.find(({ id }) => id === 'chained-1');
    assert.deepEqual(
      [record?.revision, record?.fallback?.revision, record?.fallback?.by],
      ['brittle@1', 'brittle@2', 'previous'],
    );
    assert.ok(record?.fallback?.error);
    assert.equal(record?.rollout, undefined);
  });

  test('a rule decides by the inputs, and its first case counts', async () => {
    const scores = [];
    for (const x of [200, 7, 50]) scores.push((await predict('ruled', x)).body.output.value);

    assert.deepEqual(scores, [0.9, 0.7, 0.1]);
    assert.equal((await predict('ruled', 200)).body.revision, 'rule');
  });

  test('what takes other inputs is passed over, and in the protocols of others the answer is marked too', async () => {
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1], data: [50] }];
    const { json } = await callOip(harness.gateway.url, 'models/skipping/infer', { body: { inputs } });
    const mlflow = await fetch(`${harness.gateway.url}/endpoints/skipping/invocations`, {
      method: 'POST',
      body: JSON.stringify({ instances: [{ x: 50 }] }),
    });

    assert.deepEqual(json.outputs[0]?.data, [0.25]);
    assert.deepEqual(json.parameters, { revision: 'constant', fallbacks: 1, fallback: 'constant' });
    assert.deepEqual(await mlflow.json(), { predictions: [0.25] });
    assert.equal(mlflow.headers.get('kedge-fallback'), 'constant');
  });

  test('a revision that fails too often is asked no more, and a fallback answers at once', async () => {
    const codes = [];
    for (let i = 0; i < 6; i++) codes.push((await predict('broken', 50)).body.code);
    assert.deepEqual(codes.slice(0, 4), Array(4).fill('gateway/model-failed'));
    assert.deepEqual(codes.slice(4), Array(2).fill('gateway/circuit-open'));
    // It would have answered this one.
    const refused = await predict('broken', 1);
    assert.deepEqual([refused.status, refused.body.code], [503, 'gateway/circuit-open']);

    for (let i = 0; i < 5; i++) assert.equal((await predict('covered', 50)).body.output.value, 0.25);
    const covered = await predict('covered', 1);
    assert.deepEqual([covered.status, covered.body.fallback], [200, 'constant']);
  });

  test('an endpoint that is full refuses at once, and answers again when it is not', async () => {
    const call = (x: number) => ({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [x] }] });
    const answers = await pipelined(harness.gateway.url, 'models/narrow/infer', [1, 2, 3, 4, 5].map(call));

    assert.deepEqual(
      answers.map(({ outputs, error }) => outputs?.[0]?.data[0] ?? error.replace(/\d+/, 'n')),
      [1, 2, ...Array(3).fill("'narrow' has n requests in work, which is what it bears at this moment")],
    );
    const refused = await predict('narrow', 1);
    assert.equal(refused.status, 200);
  });
});
