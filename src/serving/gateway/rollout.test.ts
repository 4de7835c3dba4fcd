import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, describe, test } from 'node:test';
import type { LogLine, OddRequest } from '../live/observation.ts';
import type { RoutingTable } from '../routing.ts';
import type { PredictionRecord } from './recording/prediction-record.ts';
import { endpointOf, type GatewayHarness, type HarnessOptions, openGateway } from './testing/gateway-harness.ts';
import { brittleModel, logisticModel, slowModel } from './testing/models.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

describe('a rollout in the gateway', () => {
  let harness: GatewayHarness;
  afterEach(() => harness.close());

  const open = async (table: HarnessOptions['table'], more: Partial<HarnessOptions> = {}): Promise<void> => {
    harness = await openGateway({ table, ...more });
  };
  const predict = (body: unknown) => harness.post('/v1/endpoints/e/predict', body);
  /** Over few connections that stay open: so many at once would be refused by a busy system, not by the gateway. */
  const predictMany = async (count: number, inputs: unknown) => {
    const answers: Awaited<ReturnType<typeof predict>>[] = [];
    let next = 0;
    const connection = async (): Promise<void> => {
      for (let i = next++; i < count; i = next++) answers[i] = await predict({ id: `r-${i}`, inputs });
    };
    await Promise.all(Array.from({ length: 16 }, connection));
    return answers;
  };

  const split =
    (weight: number): HarnessOptions['table'] =>
    async (put) => {
      const current = await put(logisticModel({ a: 1 }), 'm', 1);
      const candidate = { ...(await put(logisticModel({ a: 2 }), 'm', 2)), weight, shadow: weight === 0 };
      return { version: 1, endpoints: { e: endpointOf('e', current, { candidate, rollout: 'roll_1' }) } };
    };

  test('a shadow answers nobody and is scored on every request', async () => {
    await open(split(0));

    const answers = await predictMany(50, { a: 1 });
    await harness.gateway.flush();

    assert.ok(answers.every(({ body }) => body.arm === 'current' && body.revision === 'm@1'));
    assert.equal(harness.controlPlane.records.length, 50);
    for (const record of harness.controlPlane.records) {
      assert.equal(record.propensity, 1);
      assert.equal(record.rollout, 'roll_1');
      assert.ok(Math.abs(record.score - sigmoid(1)) < 1e-6);
      assert.equal(record.shadow?.revision, 'm@2');
      assert.ok(Math.abs((record.shadow?.score ?? 0) - sigmoid(2)) < 1e-6);
    }
  });

  test('a canary answers its share, always the same ids, and the other arm is scored beside it', async () => {
    await open(split(20));

    const first = await predictMany(1_000, { a: 1 });
    const again = await predictMany(1_000, { a: 1 });
    await harness.gateway.flush();

    const arms = first.map(({ body }) => body.arm);
    const share = arms.filter((arm) => arm === 'candidate').length / arms.length;
    assert.ok(share > 0.16 && share < 0.24, `${share}`);
    assert.deepEqual(
      again.map(({ body }) => body.arm),
      arms,
    );
    for (const record of harness.controlPlane.records) {
      assert.equal(record.propensity, record.arm === 'candidate' ? 0.2 : 0.8);
      assert.equal(record.shadow?.revision, record.arm === 'candidate' ? 'm@1' : 'm@2');
      assert.equal(typeof record.shadow?.score, 'number');
    }
  });

  const governed =
    (live: Partial<NonNullable<RoutingTable['endpoints'][string]['live']>>): HarnessOptions['table'] =>
    async (put) => {
      const current = await put(logisticModel({ a: 1 }), 'm', 1);
      const candidate = { ...(await put(logisticModel({ a: 2 }), 'm', 2)), weight: 20, shadow: false };
      const routed = { blockMs: 60_000, sticky: 'customer', override: false, ...live };
      return { version: 1, endpoints: { e: endpointOf('e', current, { candidate, rollout: 'roll_1', live: routed }) } };
    };
  const recordsById = async () => {
    await harness.gateway.flush();
    return new Map(harness.controlPlane.records.map((record) => [record.id, record]));
  };

  test('a flag gives requests its arm, recorded with its name, and the others keep the draw of their key', async () => {
    const flags = [
      { name: 'never', when: 'inputs.a = ', arm: 'candidate' as const },
      { name: 'staff', when: "starts_with(entities.customer, 'staff-')", arm: 'candidate' as const },
      { name: 'large', when: 'inputs.a > 100', arm: 'current' as const },
    ];
    await open(governed({ flags }));
    const ask = (id: string, customer: string, a = 1) => predict({ id, entities: { customer }, inputs: { a } });

    const staff = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(`s-${i}`, `staff-${i}`)));
    const large = await ask('large', 'anna', 101);
    const drawn = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(`d-${i}`, `c-${i % 20}`)));
    const records = await recordsById();

    assert.ok(staff.every(({ body }) => body.arm === 'candidate'));
    assert.equal(large.body.arm, 'current');
    assert.deepEqual([records.get('s-3')?.propensity, records.get('s-3')?.chosenBy], [1, 'flag:staff']);
    assert.deepEqual([records.get('large')?.propensity, records.get('large')?.chosenBy], [1, 'flag:large']);
    for (let i = 0; i < 20; i++) assert.equal(drawn[i]?.body.arm, drawn[i + 20]?.body.arm);
    const arms = new Set(drawn.map(({ body }) => body.arm));
    assert.deepEqual(arms, new Set(['current', 'candidate']));
    assert.ok(drawn.every(({ body }) => records.get(body.id)?.chosenBy === undefined));
  });

  test('a contextual bandit draws by what it learnt of the request, and records with which probability', async () => {
    const identity = [
      [0.001, 0],
      [0, 0.001],
    ];
    // The candidate earns what `a` is, the current revision nothing.
    const arms = [
      { inverse: identity, b: [0, 0] },
      { inverse: identity, b: [0, 1_000] },
    ];
    const policy = { context: [{ input: 'a', mean: 0, scale: 1 }], arms, width: 0.1, floor: 0.1 };
    await open(governed({ policy }));
    const ask = (id: string, a: number) => predict({ id, entities: { customer: id }, inputs: { a } });
    const high = await Promise.all(Array.from({ length: 200 }, (_, i) => ask(`high-${i}`, 1)));
    const low = await Promise.all(Array.from({ length: 200 }, (_, i) => ask(`low-${i}`, -1)));
    const share = (answers: typeof high) => answers.filter(({ body }) => body.arm === 'candidate').length / 200;
    assert.ok(share(high) > 0.8 && share(low) < 0.2, `${share(high)} ${share(low)}`);
    const records = await recordsById();
    for (const { body } of [...high, ...low]) {
      const likely = (body.arm === 'candidate') === body.id.startsWith('high');
      assert.equal(records.get(body.id)?.propensity.toFixed(6), likely ? '0.900000' : '0.100000');
      assert.equal(body.propensity, records.get(body.id)?.propensity);
    }
  });

  test('a header names the arm for who has a key, and for nobody else', async () => {
    const armKeys = [{ name: 'qa', sha256: createHash('sha256').update('secret').digest('hex') }];
    await open(governed({ armKeys }));
    const ask = (id: string, headers: Record<string, string>) =>
      harness.post('/v1/endpoints/e/predict', { id, inputs: { a: 1 } }, headers);

    const key = { 'x-kedge-arm-key': 'secret' };
    const allowed = await ask('h', { 'x-kedge-arm': 'candidate', ...key });
    assert.deepEqual([allowed.status, allowed.body.arm, allowed.body.revision], [200, 'candidate', 'm@2']);
    const wrong = await ask('w', { 'x-kedge-arm': 'candidate', 'x-kedge-arm-key': 'guessed' });
    assert.deepEqual([wrong.status, wrong.body.code], [403, 'gateway/not-allowed']);
    assert.equal((await ask('n', { 'x-kedge-arm': 'candidate' })).status, 403);
    assert.equal((await ask('o', { 'x-kedge-arm': 'other', ...key })).status, 400);
    assert.equal((await predict({ id: 'b', arm: 'candidate', inputs: { a: 1 } })).status, 400);
    const record = (await recordsById()).get('h');
    assert.deepEqual([record?.arm, record?.propensity, record?.chosenBy], ['candidate', 1, 'key:qa']);
  });

  const answered = (id: string, more: Partial<PredictionRecord> = {}): PredictionRecord => ({
    ...{ id, endpoint: 'e', at: 1, receivedAt: 1, revision: 'm@1', arm: 'current', score: 0.5, propensity: 1 },
    ...{ numeric: [1], categories: [], latencyUs: 7, rollout: 'roll_1' },
    ...more,
  });
  const shadows = async (): Promise<unknown> => {
    await harness.gateway.flush();
    return harness.controlPlane.records.map(({ id, shadow }) => [
      id,
      shadow?.score && Math.round(shadow.score * 1e6) / 1e6,
    ]);
  };

  test('scores that a process which is gone did not come to are made by the next one', async () => {
    await open(split(20), {
      inherited: [
        { prediction: answered('scored'), awaits: 'm@2' },
        { prediction: answered('unscored'), awaits: 'm@2' },
        { prediction: answered('by-candidate', { arm: 'candidate', revision: 'm@2' }), awaits: 'm@1' },
        { prediction: answered('of-another-rollout', { rollout: 'roll_0' }), awaits: 'm@2' },
        { prediction: answered('of-another-version'), awaits: 'm@9' },
        { shadowOf: 'scored', shadow: { revision: 'm@2', score: 0.25 } },
      ],
    });

    const rounded = (x: number): number => Math.round(sigmoid(x) * 1e6) / 1e6;
    assert.deepEqual(await shadows(), [
      ['scored', 0.25],
      ['unscored', rounded(2)],
      ['by-candidate', rounded(1)],
      ['of-another-rollout', null],
      ['of-another-version', null],
    ]);
    const [, , , lost] = harness.controlPlane.records;
    assert.match(lost?.shadow?.error ?? '', /ended before it was scored/);
  });

  test('an arm that takes other inputs is scored on the row that was kept for it', async () => {
    const table: HarnessOptions['table'] = async (put) => {
      const current = await put(logisticModel({ a: 1 }), 'm', 1);
      const candidate = { ...(await put(logisticModel({ a: 1, b: 2 }), 'm', 2)), weight: 0, shadow: true };
      return { version: 1, endpoints: { e: endpointOf('e', current, { candidate, rollout: 'roll_1' }) } };
    };
    await open(table, {
      inherited: [
        { prediction: answered('with'), awaits: 'm@2', beside: { numeric: [1, 3], categories: [] } },
        { prediction: answered('without'), awaits: 'm@2' },
      ],
    });

    await predict({ id: 'live', inputs: { a: 1, b: 3 } });

    const expected = Math.round(sigmoid(7) * 1e6) / 1e6;
    assert.deepEqual(await shadows(), [
      ['with', expected],
      ['without', null],
      ['live', expected],
    ]);
  });

  const failing =
    (guardrail: Partial<RoutingTable['endpoints'][string]['guardrail']>): HarnessOptions['table'] =>
    async (put) => {
      const current = await put(logisticModel({ x: 1 }), 'm', 1);
      const candidate = { ...(await put(brittleModel(), 'm', 2)), weight: 100, shadow: false };
      const limits = { errorRateMax: 0.1, latencyP95MsMax: 10_000, requestsMin: 1_000, windowMs: 60_000, ...guardrail };
      const endpoint = endpointOf('e', current, { candidate, rollout: 'roll_1', guardrail: limits });
      return { version: 1, endpoints: { e: endpoint } };
    };

  test('a candidate that fails is replaced by the current revision, marked and recorded', async () => {
    await open(failing({}));

    const { status, body } = await predict({ id: 'r', inputs: { x: 9 } });
    await harness.gateway.flush();

    assert.equal(status, 200);
    assert.deepEqual([body.revision, body.arm, body.fallback], ['m@1', 'current', true]);
    const [record] = harness.controlPlane.records;
    assert.equal(record?.fallback?.revision, 'm@2');
    assert.match(record?.fallback?.error ?? '', /indices|index|Gather/i);
    assert.deepEqual([record?.shadow?.revision, record?.shadow?.score], ['m@2', null]);
  });

  test('a tripped guardrail takes the candidate out at once and tells the control plane', async () => {
    await open(failing({ requestsMin: 10 }));

    await predictMany(20, { x: 9 });
    const after = await predict({ id: 'after', inputs: { x: 1 } });

    assert.deepEqual([after.body.arm, after.body.revision, after.body.fallback], ['current', 'm@1', undefined]);
    while (harness.controlPlane.reports.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const [{ odd, logs, ...report }] = harness.controlPlane.reports as [
      Record<string, unknown> & { odd: OddRequest[]; logs: LogLine[] },
    ];
    assert.ok(
      logs.some(({ level, text }) => level === 'warn' && /guardrail tripped.*endpoint=e rollout=roll_1/.test(text)),
    );
    assert.ok(odd.length > 0 && odd.every(({ kind, text }) => kind === 'failed' && /indices|index|Gather/i.test(text)));
    assert.deepEqual(
      { ...report, error: '' },
      { endpoint: 'e', rollout: 'roll_1', reason: 'error-rate', observed: 1, limit: 0.1, requests: 10, error: '' },
    );
    await harness.gateway.flush();
    const record = harness.controlPlane.records.find(({ id }) => id === 'after');
    assert.deepEqual([record?.rollout, record?.shadow], [undefined, undefined]);
  });

  test('a candidate that is late is replaced by the current revision', async () => {
    await open(
      async (put) => {
        const current = await put(logisticModel({ x: 1 }), 'm', 1);
        const candidate = { ...(await put(slowModel(200), 'm', 2)), weight: 100, shadow: false };
        return {
          version: 1,
          endpoints: { e: endpointOf('e', current, { candidate, rollout: 'roll_1', timeoutMs: 20 }) },
        };
      },
      { runtime: 'auto' },
    );

    const { status, body } = await predict({ id: 'r', inputs: { x: 1 } });
    await harness.gateway.flush();

    assert.equal(status, 200);
    assert.deepEqual([body.revision, body.fallback], ['m@1', true]);
    assert.match(harness.controlPlane.records[0]?.fallback?.error ?? '', /did not answer within 20 ms/);
  });

  test('a current revision that is late is 504', async () => {
    await open(
      async (put) => {
        const current = await put(slowModel(200), 'm', 1);
        return { version: 1, endpoints: { e: endpointOf('e', current, { timeoutMs: 20 }) } };
      },
      { runtime: 'auto' },
    );

    const { status, body } = await predict({ inputs: { x: 1 } });

    assert.deepEqual([status, body.code], [504, 'gateway/timeout']);
  });

  test('an input that only the candidate needs fails the candidate, not the caller', async () => {
    await open(async (put) => {
      const current = await put(logisticModel({ a: 1 }), 'm', 1);
      const candidate = { ...(await put(logisticModel({ a: 1, b: 1 }), 'm', 2)), weight: 100, shadow: false };
      return { version: 1, endpoints: { e: endpointOf('e', current, { candidate, rollout: 'roll_1' }) } };
    });

    const without = await predict({ inputs: { a: 1 } });
    const withIt = await predict({ inputs: { a: 1, b: 1 } });

    assert.deepEqual([without.status, without.body.revision, without.body.fallback], [200, 'm@1', true]);
    assert.deepEqual([withIt.body.revision, withIt.body.fallback], ['m@2', undefined]);
  });

  test('a candidate whose file is damaged fails over, and the current revision is untouched', async () => {
    await open(async (put) => {
      const current = await put(logisticModel({ a: 1 }), 'm', 1);
      const broken = { bytes: new TextEncoder().encode('not a model'), signature: current.signature };
      const candidate = { ...(await put(broken, 'm', 2)), weight: 100, shadow: false };
      return { version: 1, endpoints: { e: endpointOf('e', current, { candidate, rollout: 'roll_1' }) } };
    });

    const { status, body } = await predict({ inputs: { a: 1 } });

    assert.deepEqual([status, body.revision, body.fallback], [200, 'm@1', true]);
  });

  test('a new routing table is in force once its models are warm', async () => {
    await open(split(0));
    const next = await routeAnew(harness);

    while (harness.gateway.routingVersion !== 2) await new Promise((resolve) => setImmediate(resolve));

    const { body } = await predict({ inputs: { a: 1 } });
    assert.equal(body.revision, next);
  });

  async function routeAnew({ controlPlane, blobs }: GatewayHarness): Promise<string> {
    const model = logisticModel({ a: 5 });
    const { digest } = await blobs.put(model.bytes);
    const current = { revision: 'm@7', model: 'm', version: 7, digest, signature: model.signature };
    controlPlane.route({ version: 2, endpoints: { e: endpointOf('e', current) } });
    return current.revision;
  }
});
