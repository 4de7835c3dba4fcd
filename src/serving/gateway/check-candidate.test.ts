import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { CheckResult } from '../checks/check-result.ts';
import type { CheckWork } from '../checks/routes.ts';
import { endpointOf, type GatewayHarness, openGateway, putModel } from './testing/gateway-harness.ts';
import { brittleModel, logisticModel, type TestModel } from './testing/models.ts';

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
});
