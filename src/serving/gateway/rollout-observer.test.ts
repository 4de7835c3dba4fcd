import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { digestOf } from '#core/hash';
import type { Observation, OddRequest } from '../live/observation.ts';
import type { RoutedEndpoint } from '../routing.ts';
import type { Prediction } from './prediction.ts';
import { RolloutObserver } from './rollout-observer.ts';
import { endpointOf, type GatewayHarness, openGateway } from './testing/gateway-harness.ts';
import { brittleModel, logisticModel, type TestModel } from './testing/models.ts';

describe('what a gateway sees of a rollout', () => {
  let harness: GatewayHarness;
  afterEach(() => harness.close());

  interface Setup {
    readonly weight: number;
    readonly live: Partial<NonNullable<RoutedEndpoint['live']>>;
    readonly models: readonly [TestModel, TestModel];
  }

  async function open({ weight, live, models }: Setup): Promise<void> {
    harness = await openGateway({
      async table(put) {
        const current = await put(models[0], 'm', 1);
        const candidate = { ...(await put(models[1], 'm', 2)), weight, shadow: weight === 0 };
        const routed = { blockMs: 20, sticky: null, override: false, ...live };
        return {
          version: 1,
          endpoints: { e: endpointOf('e', current, { candidate, rollout: 'roll_1', live: routed }) },
        };
      },
    });
  }

  const predict = (body: unknown) => harness.post('/v1/endpoints/e/predict', body);

  /** Sums over the blocks once `enough` of them have come. */
  async function observed(enough: (all: readonly Observation[]) => boolean): Promise<readonly Observation[]> {
    const giveUpAt = performance.now() + 30_000;
    while (!enough(harness.controlPlane.observations)) {
      assert.ok(performance.now() < giveUpAt, JSON.stringify(harness.controlPlane.observations).slice(-2_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    return [...harness.controlPlane.observations];
  }
  const sum = (all: readonly Observation[], of: (seen: Observation) => number): number =>
    all.reduce((total, seen) => total + of(seen), 0);

  test('blocks tell requests, answers, failures and flips of both arms, one after another', async () => {
    await open({ weight: 30, live: {}, models: [logisticModel({ a: 1 }), logisticModel({ a: -1 })] });

    const answers = await Promise.all(Array.from({ length: 200 }, () => predict({ inputs: { a: 1 } })));
    const all = await observed((blocks) => sum(blocks, ({ pairs }) => pairs.count) === 200);

    const candidate = answers.filter(({ body }) => body.arm === 'candidate').length;
    assert.equal(
      sum(all, (seen) => seen.candidate.answered),
      candidate,
    );
    assert.equal(
      sum(all, (seen) => seen.current.answered),
      200 - candidate,
    );
    assert.equal(
      sum(all, (seen) => seen.assigned.candidate),
      candidate,
    );
    assert.deepEqual([sum(all, (seen) => seen.candidate.scored), sum(all, (seen) => seen.current.scored)], [200, 200]);
    assert.equal(
      sum(all, (seen) => seen.pairs.flips),
      200,
    );
    assert.ok(all.some(({ odd }) => odd.some(({ kind }) => kind === 'flipped')));
    for (const [i, seen] of all.entries()) {
      assert.deepEqual([seen.rollout, seen.source, seen.weight], ['roll_1', all[0]?.source, 30]);
      assert.ok(seen.end > seen.start && seen.start >= (all[i - 1]?.end ?? 0));
    }
    await observed((blocks) => blocks.length > all.length + 2 && sum(blocks.slice(-1), (b) => b.pairs.count) === 0);
  });

  test('failures of the candidate are counted whoever answers, and kept with their error', async () => {
    await open({ weight: 50, live: {}, models: [logisticModel({ x: 1 }), brittleModel()] });

    await Promise.all(Array.from({ length: 40 }, () => predict({ inputs: { x: 9 } })));
    const all = await observed((blocks) => sum(blocks, ({ candidate }) => candidate.scored) === 40);

    assert.equal(
      sum(all, ({ candidate }) => candidate.failures),
      40,
    );
    assert.equal(
      sum(all, ({ current }) => current.failures),
      0,
    );
    assert.equal(
      sum(all, ({ candidate }) => candidate.answered),
      0,
    );
    assert.ok(all.some(({ odd }) => odd.some(({ kind, text }) => kind === 'failed' && text.length > 0)));
  });

  test('a key keeps its arm over requests and is counted once', async () => {
    const sticky = 'customer';
    await open({ weight: 50, live: { sticky }, models: [logisticModel({ a: 1 }), logisticModel({ a: 2 })] });

    const arms = new Map<string, Set<string>>();
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 60; i++) {
        const customer = `c${i}`;
        const { body } = await predict({ entities: { customer }, inputs: { a: 1 } });
        arms.set(customer, (arms.get(customer) ?? new Set()).add(body.arm));
      }
    }
    const all = await observed((blocks) => sum(blocks, ({ current }) => current.scored) === 180);

    assert.ok([...arms.values()].every((seen) => seen.size === 1));
    const toCandidate = [...arms.values()].filter((seen) => seen.has('candidate')).length;
    assert.ok(toCandidate > 15 && toCandidate < 45, `${toCandidate}`);
    const { current, candidate } = {
      current: sum(all, (s) => s.assigned.current),
      candidate: sum(all, (s) => s.assigned.candidate),
    };
    assert.deepEqual([current, candidate], [60 - toCandidate, toCandidate]);
  });

  test('a request may name its arm where that is allowed, and belongs to no sample', async () => {
    await open({ weight: 0, live: { override: true }, models: [logisticModel({ a: 1 }), logisticModel({ a: 2 })] });

    const named = await predict({ id: 'named', arm: 'candidate', inputs: { a: 1 } });
    const drawn = await predict({ id: 'drawn', inputs: { a: 1 } });
    const refused = await predict({ arm: 'other', inputs: { a: 1 } });
    await harness.gateway.flush();
    const all = await observed((blocks) => sum(blocks, ({ pairs }) => pairs.count) === 1);

    assert.deepEqual([named.body.arm, drawn.body.arm, refused.status], ['candidate', 'current', 400]);
    assert.equal(
      sum(all, ({ candidate }) => candidate.answered),
      0,
    );
    const records = new Map(harness.controlPlane.records.map((record) => [record.id, record.propensity]));
    assert.deepEqual([records.get('named'), records.get('drawn')], [1, 1]);
  });

  test('naming an arm is refused where it is not allowed', async () => {
    await open({ weight: 50, live: {}, models: [logisticModel({ a: 1 }), logisticModel({ a: 2 })] });
    const { status, body } = await predict({ arm: 'candidate', inputs: { a: 1 } });
    assert.deepEqual([status, body.fields[0]?.path], [400, 'arm']);
  });
});

test('what was odd is told with a report though its block has ended, the newest of each kind', () => {
  const digest = digestOf('1');
  const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'probability' as const };
  const routed = endpointOf('e', { revision: 'm@1', model: 'm', version: 1, digest, signature });
  const observer = new RolloutObserver(routed, 0);
  const fail = (i: number): void => {
    const request = { id: `p-${i}`, at: i, named: false, arm: 'candidate', score: Number.NaN, endpoint: {} };
    observer.scored(request as Prediction, 'candidate', { error: 'no such car', latencyMs: 1 });
  };

  for (let i = 0; i < 10; i++) fail(i);
  observer.close(20);
  observer.close(40);

  const newest = Array.from({ length: 8 }, (_, i) => `p-${i + 2}`);
  const idsOf = (all: readonly OddRequest[]): readonly string[] => all.map(({ id }) => id);
  assert.deepEqual(
    observer.take().map(({ odd }) => idsOf(odd)),
    [newest, []],
  );
  assert.deepEqual(idsOf(observer.odd), newest);
  fail(10);
  assert.deepEqual(idsOf(observer.odd), [...newest.slice(1), 'p-10']);
});
