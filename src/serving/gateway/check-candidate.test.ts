import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { CheckResult } from '../checks/check-result.ts';
import type { GoldenTensor } from '../checks/golden-request.ts';
import type { CheckWork } from '../checks/routes.ts';
import { endpointOf, type GatewayHarness, openGateway, putModel } from './testing/gateway-harness.ts';
import { brittleModel, logisticModel, type TestModel } from './testing/models.ts';
import { bill, identity } from './testing/tensor-models.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const golden = { tolerance: 0.01, differingMax: 0, requestsMin: 1 };

describe('checks before traffic in a gateway', () => {
  let harness: GatewayHarness;
  let version = 1;
  before(async () => {
    harness = await openGateway({
      table: async (put) => {
        const current = await put(logisticModel({ a: 1 }), 'm', 1);
        return { version: 1, endpoints: { e: endpointOf('e', current) } };
      },
    });
  });
  after(() => harness.close());

  /** What the gateway reports of a candidate that the routing table asks to check. */
  async function checked(
    model: TestModel,
    requests: CheckWork['golden'],
    plan: Partial<CheckWork['plan']>,
  ): Promise<readonly CheckResult[]> {
    const { controlPlane, blobs } = harness;
    version += 1;
    const arm = await putModel(blobs, model, { name: 'm', version });
    const rollout = `roll_${version}`;
    controlPlane.checkWork.set(rollout, { arm, golden: requests, plan: { golden: null, load: null, ...plan } });
    const current = await putModel(blobs, logisticModel({ a: 1 }), { name: 'm', version: 1 });
    controlPlane.route({ version, endpoints: { e: endpointOf('e', current, { check: rollout }) } });
    for (;;) {
      const report = controlPlane.checks.find((one) => one.rollout === rollout);
      if (report) return report.results;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  const asked = (name: string, a: number, expected: number) => ({ name, inputs: { a }, expected });

  test('golden requests that are answered as recorded pass, and the endpoint goes on answering meanwhile', async () => {
    const requests = [asked('one', 1, sigmoid(1) + 0.009), asked('two', -3, sigmoid(-3))];
    const [result, ...more] = await checked(logisticModel({ a: 1 }), requests, { golden });

    assert.deepEqual([result?.check, result?.passed, more], ['golden', true, []]);
    assert.match(result?.sentence ?? '', /answered 2 of 2 golden requests within 0.01$/);
    const { body } = await harness.post('/v1/endpoints/e/predict', { inputs: { a: 1 } });
    assert.deepEqual([body.revision, body.arm], ['m@1', 'current']);
  });

  test('what is answered otherwise, cannot be asked, or fails is named', async () => {
    const [differing] = await checked(logisticModel({ a: 2 }), [asked('one', 1, sigmoid(1)), asked('zero', 0, 0.5)], {
      golden,
    });
    assert.deepEqual([differing?.passed, differing?.figures['differing']], [false, 1]);
    assert.deepEqual(differing?.details, ["'one' got 0.881 and not 0.731"]);

    const [lacking] = await checked(logisticModel({ a: 1, b: 1 }), [asked('one', 1, 0.5)], { golden });
    assert.match(lacking?.sentence ?? '', /0 of 1 .*'one' was not answered: inputs.b: is missing/);

    const failing = { name: 'out', inputs: { x: 9 }, expected: 1 };
    const good = { name: 'in', inputs: { x: 2 }, expected: 2 };
    const [brittle] = await checked(brittleModel(), [failing, good], { golden: { ...golden, differingMax: 0.5 } });
    assert.deepEqual([brittle?.passed, brittle?.details.length], [true, 1]);
  });

  test('a load test asks at its rate whether or not the model keeps up, and holds to its limits', async () => {
    const load = { rate: 200, seconds: 0.2, p99MsMax: 60_000, errorsMax: 0 };
    const [passing] = await checked(logisticModel({ a: 1 }), [asked('one', 1, 0.5)], { load });
    assert.deepEqual([passing?.check, passing?.passed, passing?.figures['requests']], ['load', true, 40]);
    assert.match(passing?.sentence ?? '', /At 200 requests a second for 0.2 s m@\d+ answered 99 % within/);

    const [slow] = await checked(logisticModel({ a: 3 }), [asked('one', 1, 0.5)], {
      load: { ...load, p99MsMax: 1e-6 },
    });
    assert.equal(slow?.passed, false);
    const out = { name: 'out', inputs: { x: 9 }, expected: 1 };
    const [failing] = await checked(brittleModel(), [out], { load });
    assert.deepEqual([failing?.passed, failing?.details], [false, ['40 × error']]);
  });

  test('a model that cannot be loaded fails its checks with a sentence', async () => {
    const broken = { bytes: new TextEncoder().encode('no model'), signature: logisticModel({ a: 1 }).signature };
    const load = { rate: 10, seconds: 0.1, p99MsMax: 100, errorsMax: 0 };
    const results = await checked(broken, [asked('one', 1, 0.5)], { golden, load });
    assert.deepEqual(
      results.map(({ check, passed }) => [check, passed]),
      [
        ['golden', false],
        ['load', false],
      ],
    );
    assert.match(results[1]?.sentence ?? '', /could not be checked/);
  });

  test('tensors are held to what is expected: numbers within the tolerance, all else exactly', async () => {
    const ofTensors = (bytes: Uint8Array<ArrayBuffer>): TestModel => ({
      bytes,
      signature: { inputs: [], output: 'value' },
    });
    const golden = (name: string, tensors: NonNullable<CheckWork['golden'][number]['tensors']>) => ({
      ...{ name, inputs: {}, expected: null, tensors },
    });
    const tensor = (name: string, datatype: GoldenTensor['datatype'], shape: number[], data: GoldenTensor['data']) => ({
      ...{ name, datatype, shape, data },
    });
    const total = (value: number) => tensor('total', 'FP32', [1, 2], [3, value]);
    const inputs = [
      tensor('price', 'FP32', [1, 2], [1.5, 2]),
      tensor('count', 'INT64', [1, 2], [2, 3]),
      tensor('limit', 'FP32', [1, 1], [4]),
    ];
    const over = (...data: boolean[]) => tensor('over', 'BOOL', [1, 2], data);
    const [numbers, load] = await checked(
      ofTensors(bill()),
      [
        golden('near', { inputs, outputs: [total(6.009), over(false, true)] }),
        golden('far', { inputs, outputs: [total(7)] }),
        golden('other', { inputs, outputs: [over(false, false)] }),
        golden('formless', { inputs, outputs: [{ ...total(6), shape: [2] }] }),
        golden('less', { inputs: inputs.slice(1), outputs: [total(6)] }),
        golden('none', { inputs, outputs: [{ ...total(6), name: 'sum' }] }),
      ],
      { golden: { tolerance: 0.01, differingMax: 0, requestsMin: 1 } },
    );
    assert.deepEqual([numbers?.passed, load], [false, undefined]);
    assert.deepEqual(
      numbers?.details.map((detail) => detail.replace(/ \(.*$/, '')),
      [
        "'far' differs in 'total', at 1, by 1",
        "'other' differs in 'over', at 1, by 1",
        "'formless' differs in 'total' in its form",
        "'less' was not answered: inputs.price: is missing",
        `'none' was not answered: m@${version} has no output 'sum'`,
      ],
    );

    const text = (data: string) => [tensor('x', 'BYTES', [1, 1], [data])];
    const answer = (data: string) => [tensor('y', 'BYTES', [1, 1], [data])];
    const texts = await checked(
      ofTensors(identity('string')),
      [
        golden('same', { inputs: text('ü'), outputs: answer('ü') }),
        golden('not', { inputs: text('a'), outputs: answer('b') }),
      ],
      {
        golden: { tolerance: 0.01, differingMax: 0.5, requestsMin: 1 },
        load: { rate: 20, seconds: 0.2, p99MsMax: 60_000, errorsMax: 0 },
      },
    );
    assert.deepEqual(
      texts.map(({ check, passed, details }) => [check, passed, details]),
      [
        ['golden', true, ["'not' differs in 'y', at 0, in more than a number"]],
        ['load', true, []],
      ],
    );
  });
});
