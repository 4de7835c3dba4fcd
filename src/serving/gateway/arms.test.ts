import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { RoutingTable } from '../routing.ts';
import { endpointOf, type GatewayHarness, openGateway } from './testing/gateway-harness.ts';
import { brittleModel, logisticModel } from './testing/models.ts';

const KEY = 'a key of a tester';
const REQUESTS = 150;

/** One gateway for all of these: a rollout of three candidates of which `broken` fails for an x over 2. */
describe('several candidates in the gateway', () => {
  let harness: GatewayHarness;
  let table: RoutingTable;

  before(async () => {
    harness = await openGateway({
      table: async (put) => {
        const current = await put(logisticModel({ a: 1 }), 'm', 1);
        const armKeys = [{ name: 'qa', sha256: createHash('sha256').update(KEY).digest('hex') }];
        const flags = [{ name: 'staff', when: "entities.customer = 'ada'", arm: 'wide' }];
        const live = { blockMs: 60_000, sticky: 'customer', override: false, armKeys, flags };
        const arms = [
          { ...(await put(logisticModel({ a: 2 }), 'm', 2)), name: 'small', weight: 20 },
          { ...(await put(logisticModel({ a: 3 }), 'm', 3)), name: 'wide', weight: 20 },
          { ...(await put(brittleModel(), 'm', 4)), name: 'broken', weight: 20 },
        ];
        const guardrail = { errorRateMax: 0.1, latencyP95MsMax: 60_000, requestsMin: 5, windowMs: 600_000 };
        table = {
          version: 1,
          endpoints: { e: endpointOf('e', current, { arms, rollout: 'roll_1', live, guardrail }) },
        };
        return table;
      },
    });
  });
  after(() => harness.close());

  const ask = (customer: string, x = 1, headers: Record<string, string> = {}, id?: string) =>
    harness.post(
      '/v1/endpoints/e/predict',
      { ...(id ? { id } : {}), entities: { customer }, inputs: { a: 1, x } },
      headers,
    );
  const armsOf = async (prefix: string): Promise<string[]> => {
    const found: string[] = [];
    for (let i = 0; i < REQUESTS; i++) found.push((await ask(`c-${i}`, 1, {}, `${prefix}-${i}`)).body.arm);
    return found;
  };
  const shareOf = (arms: readonly string[], name: string) => arms.filter((arm) => arm === name).length / arms.length;

  test('a key keeps its arm, each arm has its share and is recorded by name with its propensity', async () => {
    const first = await armsOf('first');
    assert.deepEqual(await armsOf('again'), first);
    for (const name of ['small', 'wide', 'broken']) {
      assert.ok(Math.abs(shareOf(first, name) - 0.2) < 0.12, `${name} ${shareOf(first, name)}`);
    }
    await harness.gateway.flush();
    const records = new Map(harness.controlPlane.records.map((record) => [record.id, record]));
    for (const [i, arm] of first.entries()) {
      const record = records.get(`first-${i}`);
      assert.deepEqual([record?.arm, record?.shadow, record?.rollout], [arm, undefined, 'roll_1']);
      assert.ok(Math.abs((record?.propensity ?? 0) - (arm === 'current' ? 0.4 : 0.2)) < 1e-9);
    }
    const small = [...records.values()].find(({ arm }) => arm === 'small');
    assert.equal(small?.revision, 'm@2');
  });

  test('a flag, and a key in the header, name an arm; one that is none is refused', async () => {
    const staff = await ask('ada');
    assert.equal(staff.body.arm, 'wide');
    const named = await ask('c-1', 1, { 'x-kedge-arm': 'small', 'x-kedge-arm-key': KEY }, 'named');
    assert.deepEqual([named.body.arm, named.body.propensity], ['small', undefined]);
    const other = await ask('c-1', 1, { 'x-kedge-arm': 'candidate', 'x-kedge-arm-key': KEY });
    assert.equal(other.status, 400);
    assert.match(other.body.detail, /expected current or small or wide or broken/);
    await harness.gateway.flush();
    const record = harness.controlPlane.records.find(({ id }) => id === 'named');
    assert.deepEqual([record?.propensity, record?.chosenBy], [1, 'key:qa']);
  });

  test('an arm that hurts is out at once: its keys are shared out, and no other key moves', async () => {
    const before = await armsOf('before');
    for (let i = 0; i < REQUESTS && harness.controlPlane.reports.length === 0; i++) {
      const { status, body } = await ask(`c-${i % REQUESTS}`, 7);
      assert.equal(status, 200, body.detail);
    }
    const deadline = Date.now() + 30_000;
    while (harness.controlPlane.reports.length === 0 && Date.now() < deadline)
      await new Promise((r) => setImmediate(r));
    const [report] = harness.controlPlane.reports as { rollout: string; arm: string; reason: string }[];
    assert.deepEqual([report?.rollout, report?.arm, report?.reason], ['roll_1', 'broken', 'error-rate']);
    const after = await armsOf('after');
    for (const [i, arm] of before.entries()) {
      if (arm === 'broken') assert.notEqual(after[i], 'broken');
      else assert.equal(after[i], arm);
    }
    const { body } = await ask('c-1', 1, {}, 'left');
    assert.ok(Math.abs((body.propensity ?? 0) - (body.arm === 'current' ? 0.5 : 0.25)) < 1e-9);
  });
});
