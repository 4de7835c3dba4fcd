import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endpointOf, openGateway } from './testing/gateway-harness.ts';
import { brittleModel, slowModel } from './testing/models.ts';

const HASTY_TIMEOUT_MS = 5;
const PATIENT_TIMEOUT_MS = 60_000;

/** Two endpoints of one model, which runs in a thread: one waits for its answer, the other next to not at all. */
const open = (model = slowModel(200)) =>
  openGateway({
    runtime: 'thread',
    // No endpoint is granted more than its gateway.
    limits: { predictTimeoutMs: PATIENT_TIMEOUT_MS },
    table: async (put) => {
      const current = await put(model, 'm', 1);
      const patient = endpointOf('patient', current, { timeoutMs: PATIENT_TIMEOUT_MS });
      const hasty = endpointOf('hasty', current, { timeoutMs: HASTY_TIMEOUT_MS });
      return { version: 1, endpoints: { patient, hasty } };
    },
  });

describe('rows that wait for a model in a thread', () => {
  test('are taken out when they time out, so that those who come after do not wait for them', async (t) => {
    const harness = await open();
    t.after(() => harness.close());
    const ask = (endpoint: string) => harness.post(`/v1/endpoints/${endpoint}/predict`, { inputs: { x: 1 } });
    const turn = () => fetch(`${harness.gateway.url}/v2/health/live`);
    const timed = async (): Promise<number> => {
      const startedMs = performance.now();
      assert.equal((await ask('patient')).status, 200);
      return performance.now() - startedMs;
    };
    // The slowest of some, because other work of the machine may hold up the one that comes afterwards.
    const aloneMs = Math.max(await timed(), await timed(), await timed());

    const hasty = [];
    for (let i = 0; i < 40; i++) {
      hasty.push(ask('hasty'));
      // What comes in one turn of the event loop is one run; each of these is to be a run of its own.
      await turn();
    }
    const statuses = new Set((await Promise.all(hasty)).map(({ status }) => status));
    const afterwardsMs = await timed();

    assert.deepEqual([...statuses], [504]);
    assert.ok(afterwardsMs < 8 * aloneMs, `${afterwardsMs} ms after 40 runs of ${aloneMs} ms that nobody waits for`);
  });

  test('are all answered in time, also those that came while others were scored', async (t) => {
    const harness = await open(slowModel(20));
    t.after(() => harness.close());

    const answers = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        for (let turn = 0; turn < i % 7; turn++) await new Promise((resolve) => setImmediate(resolve));
        return harness.post('/v1/endpoints/patient/predict', { inputs: { x: i } });
      }),
    );

    assert.deepEqual(
      answers.map(({ status, body }) => [status, body.output.value]),
      Array.from({ length: 60 }, (_, i) => [200, i]),
    );
  });

  test('do not fail with a row of their run that the model cannot take', async (t) => {
    const harness = await open(brittleModel());
    t.after(() => harness.close());

    const answers = await Promise.all(
      [0, 99, 1, 2, 99, 1].map((x) => harness.post('/v1/endpoints/patient/predict', { inputs: { x } })),
    );

    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 500, 200, 200, 500, 200],
    );
  });
});
