import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { digestOf } from '#core/hash';
import type { Context } from '#platform/db';
import { createRegistry, type Registry, registryMigrations } from '#registry';
import { forEachDialect, type TestDatabase } from '#testing/databases';
import { trackingMigrations } from '#tracking';
import { createServing, type Serving, servingKinds, servingMigrations } from '../../index.ts';
import type { Observation } from '../observation.ts';

const user: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };
const gateway: Context = { actor: { id: 'service:gateway', roles: ['gateway'] }, action: 'test' };
const BLOCK = 10_000;

forEachDialect('several candidates', [...trackingMigrations, ...registryMigrations, ...servingMigrations], (open) => {
  let database: TestDatabase;
  let registry: Registry;
  let serving: Serving;
  let denied = 0;

  beforeEach(async () => {
    database = await open({ kinds: servingKinds });
    denied = 0;
    const gate = {
      decide: async ({ version }: { readonly version: number }) =>
        version === denied
          ? ({ allow: false, policy: 'four-eyes', missing: ['approval'], satisfied: [] } as const)
          : ({ allow: true, policy: null, satisfied: [] } as const),
    };
    registry = createRegistry({ ...database.deps, gate });
    serving = createServing({ ...database.deps, gate, versions: registry });
  });
  afterEach(() => database.close());

  async function register(content: string): Promise<number> {
    const artifact = { path: 'model.onnx', digest: digestOf(content), bytes: content.length };
    const signature = { inputs: [{ name: 'a', kind: 'numeric' as const }], output: 'probability' as const };
    return (await registry.registerVersion(user, { model: 'm', artifacts: [artifact], signature })).version;
  }

  const declare = (live: Record<string, unknown>, rollout: Record<string, unknown> = { strategy: 'ab' }) =>
    database.resources.apply(user, [
      { kind: 'endpoint', name: 'e', spec: { model: 'm', challengers: 'manual', rollout: { ...rollout, live } } },
    ]);

  /** An endpoint with a current version, and three more of its model, of which the last has the alias `next`. */
  async function prepared(live: Record<string, unknown> = {}, rollout?: Record<string, unknown>): Promise<void> {
    const arms = [
      { name: 'small', version: 2, share: 20 },
      { name: 'wide', version: 3, share: 20 },
      { name: 'next', alias: 'next', share: 10 },
    ];
    await declare({ metric: { name: 'value' }, arms, ...live }, rollout);
    for (const content of ['one', 'two', 'three', 'four']) await register(content);
    await registry.moveAlias(user, { model: 'm', alias: 'next', version: 4, reason: 'test' });
    await serving.start(user, { endpoint: 'e', version: 1 });
  }

  const arm = (weight: number, failures = 0) => {
    const requests = 10 * weight;
    return { answered: requests - failures, logLatencySum: 3 * (requests - failures), scored: requests, failures };
  };
  const seen = (rollout: string, number: number, failures: Record<string, number> = {}): Observation => {
    const weights = { small: 20, wide: 20, next: 10 };
    const arms = Object.entries(weights).map(([name, weight]) => [
      name,
      { ...arm(weight, failures[name]), weight, assigned: 10 * weight },
    ]);
    return {
      ...{ rollout, source: 'gw_1', start: number * BLOCK, end: (number + 1) * BLOCK, weight: 50, odd: [] },
      ...{ current: arm(50), candidate: arm(50), arms: Object.fromEntries(arms) },
      ...{ pairs: { count: 0, flips: 0 }, assigned: { current: 500, candidate: 500 } },
    };
  };
  const routes = async () => {
    const { arms = [], candidate } = (await serving.routing(-1)).endpoints['e'] ?? {};
    assert.equal(candidate, undefined);
    return arms.map(({ name, version, weight }) => [name, version, Math.round(weight)]);
  };

  test('the declared arms start together, by version and by alias, and gateways get each with its share', async () => {
    await prepared({ flags: [{ name: 'staff', when: "entities.c = 'x'", arm: 'wide' }] });
    const { id, stage, weight, live } = await serving.start(user, { endpoint: 'e' });
    assert.deepEqual([stage, weight], ['canary', 50]);
    assert.deepEqual(await routes(), [
      ['small', 2, 20],
      ['wide', 3, 20],
      ['next', 4, 10],
    ]);
    assert.equal((await serving.routing(-1)).endpoints['e']?.live?.flags?.[0]?.arm, 'wide');
    assert.deepEqual(
      live?.arms?.map(({ name, version, weight: share, out }) => [name, version, share, out]),
      [
        ['current', 1, 50, null],
        ['small', 2, 20, null],
        ['wide', 3, 20, null],
        ['next', 4, 10, null],
      ],
    );
    await assert.rejects(serving.start(user, { endpoint: 'e', version: 2 }), { code: 'serving/rollout-active' });
    await serving.abort(user, id, 'over');
    assert.deepEqual(await routes(), []);
  });

  test('an arm that hurts is out of the next table, a person drops one, and another becomes current', async () => {
    await prepared();
    const { id } = await serving.start(user, { endpoint: 'e' });
    const report = {
      endpoint: 'e',
      rollout: id,
      reason: 'error-rate',
      observed: 0.5,
      limit: 0.01,
      requests: 60,
    } as const;
    assert.equal(await serving.reportGuardrail(gateway, { ...report, arm: 'small' }), true);
    assert.equal(await serving.reportGuardrail(gateway, { ...report, arm: 'small' }), false);
    assert.equal(await serving.reportGuardrail(gateway, report), false);
    assert.deepEqual(await routes(), [
      ['wide', 3, 25],
      ['next', 4, 13],
    ]);
    await serving.dropArm(user, id, { arm: 'next', reason: 'too dear' });
    await assert.rejects(serving.dropArm(user, id, { arm: 'next', reason: 'again' }), { code: 'serving/unknown-arm' });
    await assert.rejects(serving.promote(user, id, 'which'), { code: 'serving/unknown-arm' });
    const ended = await serving.promoteArm(user, id, { arm: 'wide', reason: 'it is the one' });
    assert.deepEqual([ended.stage, ended.candidate], ['completed', 3]);
    assert.equal((await serving.endpoint('e')).current?.version, 3);
    assert.deepEqual(
      ended.decisions.map(({ to, arm: of }) => [to, of]),
      [
        ['canary', 'small'],
        ['canary', 'next'],
        ['completed', 'wide'],
      ],
    );
  });

  test('blocks and outcomes are counted by arm; every arm worse rolls back, locks and leaves a bundle', async () => {
    await prepared();
    const { id } = await serving.start(user, { endpoint: 'e' });
    assert.equal(await serving.observe(gateway, seen(id, 1)), true);
    const sums = { requests: 100, sum: 10 };
    const outcomes = { source: 'shop', start: BLOCK, end: 2 * BLOCK, current: sums };
    await assert.rejects(serving.reportOutcomes(user, id, { ...outcomes, candidate: sums }), {
      code: 'serving/unknown-arm',
    });
    await assert.rejects(serving.reportOutcomes(user, id, { ...outcomes, arms: { other: sums } }), {
      code: 'serving/unknown-arm',
    });
    assert.equal(await serving.reportOutcomes(user, id, { ...outcomes, arms: { wide: sums } }), true);
    const { live } = await serving.rollout(id);
    const wide = live?.arms?.find(({ name }) => name === 'wide');
    assert.deepEqual([wide?.scored, wide?.mean, wide?.assigned, wide?.due], [200, 0.1, 200, 200]);
    assert.deepEqual(
      wide?.findings.map(({ measure }) => measure),
      ['errors', 'latency', 'metric'],
    );
    assert.equal(live?.sampleRatio?.mismatch, false);
    await serving.observe(gateway, seen(id, 2, { small: 150, wide: 150, next: 80 }));
    const { stage, decisions } = await serving.rollout(id);
    assert.equal(stage, 'rolled-back');
    assert.match(decisions.at(-1)?.sentence ?? '', /Arm 'small' is taken out: errors rose .* every arm was worse/);
    assert.match((await serving.endpoint('e')).lockReason ?? '', /^Its 3 candidates were rolled back/);
    assert.equal((await serving.bundle(id)).bundle.traffic.length, 2);
  });

  test('arms that cannot be rolled out together are refused with the reason', async () => {
    await declare({});
    await register('one');
    await assert.rejects(serving.start(user, { endpoint: 'e' }), /no arms are named, and it declares none/);
    const arms = [{ name: 'b', version: 1 }];
    await assert.rejects(serving.start(user, { endpoint: 'e', arms }), /no current revision/);
    await serving.start(user, { endpoint: 'e', version: 1 });
    await assert.rejects(serving.start(user, { endpoint: 'e', arms }), /arm 'b' is version 1, which is the current/);
    await register('two');
    const same = [
      { name: 'b', version: 2 },
      { name: 'c', version: 2 },
    ];
    await assert.rejects(serving.start(user, { endpoint: 'e', arms: same }), /two arms are the same version/);
    const unknown = [{ name: 'b', alias: 'nobody' }];
    await assert.rejects(serving.start(user, { endpoint: 'e', arms: unknown }), { code: 'serving/version-not-found' });
    await declare({}, { strategy: 'canary' });
    await assert.rejects(serving.start(user, { endpoint: 'e', arms: same }), /are for 'ab' and 'bandit', not 'canary'/);
    await assert.rejects(declare({ arms: [{ name: 'candidate', version: 2 }] }), /none of 'current', 'candidate'/);
    denied = 2;
    await declare({});
    const refused = await serving.start(user, { endpoint: 'e', arms: [{ name: 'b', version: 2 }] });
    assert.deepEqual([refused.stage, refused.decisions.length], ['refused', 1]);
    assert.match(refused.decisions[0]?.sentence ?? '', /'four-eyes' denies arm 'b': approval/);
  });
});
