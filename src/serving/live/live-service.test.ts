import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { digestOf } from '#core/hash';
import type { Context } from '#platform/db';
import { eventsAfter } from '#platform/events';
import { createRegistry, type Registry, registryMigrations } from '#registry';
import { forEachDialect, type TestDatabase } from '#testing/databases';
import { trackingMigrations } from '#tracking';
import { createServing, rolloutFinished, type Serving, servingKinds, servingMigrations } from '../index.ts';
import type { Observation } from './observation.ts';

const user: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };
const gateway: Context = { actor: { id: 'service:gateway', roles: ['gateway'] }, action: 'test' };
const BLOCK = 10_000;

forEachDialect('live rollouts', [...trackingMigrations, ...registryMigrations, ...servingMigrations], (open) => {
  let database: TestDatabase;
  let registry: Registry;
  let serving: Serving;

  beforeEach(async () => {
    database = await open({ kinds: servingKinds });
    const gate = { decide: async () => ({ allow: true, policy: null, satisfied: [] }) as const };
    registry = createRegistry({ ...database.deps, gate });
    serving = createServing({ ...database.deps, gate, versions: registry });
  });
  afterEach(() => database.close());

  async function register(content: string, inputs: readonly string[]): Promise<number> {
    const artifact = { path: 'model.onnx', digest: digestOf(content), bytes: content.length };
    const signature = {
      inputs: inputs.map((name) => ({ name, kind: 'numeric' as const })),
      output: 'probability' as const,
    };
    return (await registry.registerVersion(user, { model: 'm', artifacts: [artifact], signature })).version;
  }

  /** An endpoint with a current version and a rollout of a second one. */
  async function rollOut(live: Record<string, unknown> = {}, strategy = 'canary'): Promise<string> {
    const rollout = { strategy, live: { bake: '10s', ...live } };
    const spec = { model: 'm', challengers: 'manual', rollout };
    await database.resources.apply(user, [{ kind: 'endpoint', name: 'e', spec }]);
    await serving.start(user, { endpoint: 'e', version: await register('one', ['a', 'b']) });
    return (await serving.start(user, { endpoint: 'e', version: await register('two', ['b', 'c']) })).id;
  }

  const seen = (rollout: string, number: number, failures: number): Observation => ({
    ...{ rollout, source: 'gw_1', start: number * BLOCK, end: (number + 1) * BLOCK, weight: 5 },
    current: { answered: 380, logLatencySum: 1_140, scored: 400, failures: 0 },
    candidate: { answered: 20, logLatencySum: 60, scored: 400, failures },
    pairs: { count: 400, flips: 0 },
    assigned: { current: 380, candidate: 20 },
    odd:
      failures === 0
        ? []
        : [
            {
              id: `p${number}`,
              at: 1,
              kind: 'failed',
              text: 'boom',
              currentScore: 0.1,
              candidateScore: null,
              latencyMs: 3,
            },
          ],
  });
  const found = (id: string) => serving.rollout(id);

  test('a canary begins with its first step, and gateways are told what to report', async () => {
    const id = await rollOut({ sticky: { entity: 'customer' }, override: true });
    const { endpoints } = await serving.routing(-1);
    assert.deepEqual(endpoints['e']?.live, { blockMs: BLOCK, sticky: 'customer', override: true });
    assert.deepEqual([endpoints['e']?.candidate?.weight, endpoints['e']?.candidate?.shadow], [5, false]);
    const { stage, weight, live } = await found(id);
    assert.deepEqual([stage, weight, live?.strategy, live?.hold?.kind], ['canary', 5, 'canary', 'sample']);
  });

  test('flags reach gateways with the first traffic, and one that cannot be read is refused', async () => {
    const flags = [{ name: 'staff', when: "entities.customer = 'staff'" }];
    const armKeys = [{ name: 'qa', sha256: 'a'.repeat(64) }];
    const id = await rollOut({ flags, armKeys }, 'blue-green');
    const live = async () => (await serving.routing(-1)).endpoints['e']?.live;
    assert.deepEqual([(await live())?.flags, (await live())?.armKeys], [undefined, armKeys]);
    await serving.promote(user, id, 'now');
    assert.deepEqual((await live())?.flags, [{ ...flags[0], arm: 'candidate' }]);
    const rollout = { strategy: 'canary', live: { flags: [{ name: 'bad', when: 'inputs.a >' }] } };
    const spec = { model: 'm', rollout };
    await assert.rejects(database.resources.apply(user, [{ kind: 'endpoint', name: 'e', spec }]), /found the end/);
  });

  test('what a contextual bandit learns reaches gateways, and is told by what it is worth', async () => {
    const bandit = { policy: 'linucb', context: [{ input: 'a' }], requestsMin: 4, every: '1m' };
    const id = await rollOut({ bandit, metric: { name: 'clicks' } }, 'bandit');
    const row = (arm: 'current' | 'candidate', a: number, reward: number) => ({
      ...{ arm, propensity: 0.5, context: { a }, reward },
    });
    const rows = [row('candidate', 1, 1), row('candidate', 2, 1), row('current', 1, 0), row('current', -1, 1)];
    const sums = { current: { requests: 2, sum: 1 }, candidate: { requests: 2, sum: 2 } };
    const report = { source: 'shop', start: BLOCK, end: 2 * BLOCK, ...sums, rows };
    assert.equal((await serving.routing(-1)).endpoints['e']?.live?.policy, undefined);
    assert.equal(await serving.reportOutcomes(user, id, report), true);
    assert.equal(await serving.reportOutcomes(user, id, report), false);
    const { live, decisions } = await found(id);
    assert.deepEqual([live?.contextual?.rows, live?.contextual?.learntAt], [4, 2 * BLOCK]);
    assert.deepEqual(
      live?.contextual?.values.map(({ policy, ips }) => [policy, ips.value]),
      [
        ['bandit', 0.75],
        ['current', 0.5],
        ['candidate', 1],
      ],
    );
    assert.match(decisions[0]?.sentence ?? '', /learnt from 4 requests .* they earned 0.75 each/);
    const policy = (await serving.routing(-1)).endpoints['e']?.live?.policy;
    assert.deepEqual(
      [policy?.context, policy?.arms.length, policy?.floor],
      [[{ input: 'a', mean: 0, scale: 1 }], 2, 0.05],
    );
    assert.deepEqual(policy?.arms[1]?.b, [2, 3]);
  });

  test('a block counts once however often it is sent, and what comes after the end changes nothing', async () => {
    const id = await rollOut();
    assert.equal(await serving.observe(gateway, seen(id, 1, 0)), true);
    assert.equal(await serving.observe(gateway, seen(id, 1, 40)), false);
    assert.equal((await found(id)).live?.stepRequests, 400);
    assert.equal(await serving.observe(gateway, { ...seen(id, 1, 0), source: 'gw_2' }), true);
    assert.equal((await found(id)).live?.stepRequests, 800);
    assert.equal(await serving.observe(gateway, { ...seen(id, 2, 0), end: Date.now() + 86_400_000 }), false);
    await serving.abort(user, id, 'no more');
    assert.equal(await serving.observe(gateway, seen(id, 2, 40)), false);
    assert.equal((await found(id)).stage, 'aborted');
    await assert.rejects(serving.bundle(id), { code: 'serving/no-bundle' });
  });

  test('harm rolls back, locks and leaves a bundle in one transaction', async () => {
    const id = await rollOut();
    await serving.observe(gateway, seen(id, 1, 0));
    await serving.observe(gateway, seen(id, 2, 40));

    const rollout = await found(id);
    assert.deepEqual([rollout.stage, rollout.weight], ['rolled-back', 0]);
    assert.ok(
      rollout.decisions[0]?.findings?.some(({ measure, verdict }) => measure === 'errors' && verdict === 'worse'),
    );
    assert.equal((await serving.endpoint('e')).locked, true);
    const { endpoints } = await serving.routing(-1);
    assert.equal(endpoints['e']?.candidate, undefined);
    const { bundle, digest } = await serving.bundle(id);
    assert.match(digest, /^sha256:/);
    assert.deepEqual([bundle.current?.revision, bundle.candidate?.revision], ['m@1', 'm@2']);
    assert.deepEqual([bundle.difference?.inputsAdded, bundle.difference?.inputsRemoved], [['c'], ['a']]);
    assert.deepEqual(
      bundle.routing.map(({ weight, stage }) => [weight, stage]),
      [
        [5, 'started'],
        [0, 'rolled-back'],
      ],
    );
    assert.deepEqual(
      bundle.traffic.map(({ start }) => start),
      [BLOCK, 2 * BLOCK],
    );
    assert.deepEqual([bundle.requests[0]?.id, bundle.requests[0]?.text], ['p2', 'boom']);
    assert.equal(bundle.sentence, rollout.decisions[0]?.sentence);
    assert.match(bundle.advice, /^Find the cause/);
    assert.deepEqual([bundle.rollForward?.offered, bundle.logs], [false, []]);
    const events = await eventsAfter(database.db.reader, 0, 1_000);
    assert.equal(events.filter(({ type }) => type === rolloutFinished.type).length, 2);
  });

  test('what gateways saw is told block by block, with the way of each confidence sequence', async () => {
    const id = await rollOut();
    for (let block = 1; block <= 12; block++) await serving.observe(gateway, seen(id, block, 0));
    const { blocks, points, complete } = await serving.traffic(id);
    assert.deepEqual([blocks.length, points.length, complete], [12, 12, true]);
    assert.deepEqual(blocks[0]?.current, { answered: 380, scored: 400, failures: 0, typicalMs: Math.exp(3) - 5 });
    const errors = points.map(({ findings }) => findings.find(({ measure }) => measure === 'errors'));
    const { live } = await found(id);
    assert.deepEqual(errors.at(-1), live?.findings[0]);
    assert.ok((errors[0]?.high ?? 0) > (errors.at(-1)?.high ?? 1));
  });

  test('where the former revision fails too, the bundle advises to roll forward', async () => {
    const id = await rollOut();
    const { current, ...rest } = seen(id, 1, 300);
    const logs = [{ at: 7, level: 'warn' as const, text: 'the disk is slow' }];
    await serving.observe(gateway, { ...rest, current: { ...current, failures: 60 }, logs });
    const { bundle } = await serving.bundle(id);
    assert.match(bundle.advice, /m@1 failed 15 % of 400 requests too, over the limit of 1 %.*roll a third version/);
    assert.equal(bundle.rollForward?.offered, true);
    assert.deepEqual(bundle.logs, [{ ...logs[0], source: 'gw_1' }]);
    await assert.rejects(serving.rollForward(user, id, { version: 2, reason: 'again' }), {
      code: 'serving/not-servable',
    });
    const third = await register('three', ['a', 'b']);
    const forward = await serving.rollForward(user, id, { version: third, reason: 'neither works' });
    assert.deepEqual([forward.candidate, forward.stage, forward.weight, forward.forced], [3, 'probation', 100, true]);
    assert.equal((await serving.endpoint('e')).locked, false);
  });

  test('a pause, an approval and a resumption are commands with a reason', async () => {
    const id = await rollOut({ approval: 'every', requestsMin: 1 });
    const paused = await serving.pause(user, id, 'lunch');
    assert.deepEqual(paused.paused, { reason: 'lunch' });
    for (let block = 1; block < 40; block++) await serving.observe(gateway, seen(id, block, 0));
    assert.equal((await found(id)).live?.hold?.kind, 'paused');
    assert.equal((await serving.resume(user, id, 'back')).paused, undefined);
    await serving.observe(gateway, seen(id, 40, 0));
    assert.equal((await found(id)).live?.hold?.kind, 'approval');
    assert.equal((await serving.approve(user, id, 'seen the figures')).weight, 10);
    await serving.abort(user, id, 'enough');
    await assert.rejects(serving.pause(user, id, 'too late'), { code: 'serving/not-active' });
  });
});
