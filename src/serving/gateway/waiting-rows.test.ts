import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endpointOf, openGateway } from './testing/gateway-harness.ts';
import { brittleModel, slowModel } from './testing/models.ts';
import { callOip } from './testing/open-inference-call.ts';

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
    const executions = async (): Promise<number> => {
      const { json } = await callOip(harness.gateway.url, 'models/hasty/stats');
      return json.model_stats[0]?.execution_count ?? 0;
    };

    const hasty = [];
    for (let i = 0; i < 40; i++) {
      hasty.push(ask('hasty'));
      // What comes in one turn of the event loop is one run; each of these is to be a run of its own.
      await callOip(harness.gateway.url, 'health/live');
    }
    const statuses = new Set((await Promise.all(hasty)).map(({ status }) => status));
    const before = await executions();
    const patient = await ask('patient');

    assert.deepEqual([...statuses], [504]);
    assert.equal(patient.status, 200);
    // It comes behind everything that waits. What the model was at work on when the last of them gave up is one run.
    assert.ok((await executions()) <= before + 1, 'what nobody waits for any more was run');
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
