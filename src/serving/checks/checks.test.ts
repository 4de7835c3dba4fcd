import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { digestOf } from '#core/hash';
import type { Context } from '#platform/db';
import { createRegistry, type Registry, registryMigrations } from '#registry';
import { forEachDialect, type TestDatabase } from '#testing/databases';
import { trackingMigrations } from '#tracking';
import { createServing, type RecordedRequest, type Serving, servingKinds, servingMigrations } from '../index.ts';
import type { CheckResult } from './check-result.ts';

const user: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };
const gateway: Context = { actor: { id: 'service:gateway', roles: ['gateway'] }, action: 'test' };
const BLOCK = 10_000;

forEachDialect(
  'checks before traffic',
  [...trackingMigrations, ...registryMigrations, ...servingMigrations],
  (open) => {
    let database: TestDatabase;
    let registry: Registry;
    let serving: Serving;
    let recorded: readonly RecordedRequest[] = [];

    beforeEach(async () => {
      database = await open({ kinds: servingKinds });
      const gate = { decide: async () => ({ allow: true, policy: null, satisfied: [] }) as const };
      registry = createRegistry({ ...database.deps, gate });
      serving = createServing({ ...database.deps, gate, versions: registry, recorded: async () => recorded });
      recorded = [];
    });
    afterEach(() => database.close());

    async function register(content: string, inputs: readonly string[]): Promise<number> {
      const artifacts = [{ path: 'model.onnx', digest: digestOf(content), bytes: content.length }];
      const columns = inputs.map((name) => ({ name, kind: 'numeric' as const }));
      const signature = { inputs: columns, output: 'probability' as const };
      return (await registry.registerVersion(user, { model: 'm', artifacts, signature })).version;
    }

    async function endpoint(checks: Record<string, unknown>, strategy = 'canary'): Promise<void> {
      const rollout = { strategy, live: { bake: '10s', requestsMin: 1 }, checks };
      const spec = { model: 'm', challengers: 'manual', rollout };
      await database.resources.apply(user, [{ kind: 'endpoint', name: 'e', spec }]);
      await serving.start(user, { endpoint: 'e', version: await register('one', ['a', 'b']) });
    }

    const start = async (inputs = ['a', 'b']) =>
      serving.start(user, { endpoint: 'e', version: await register('two', inputs) });
    test('examples of an endpoint are its golden requests, and after them what was recorded last', async () => {
      await endpoint({});
      const one = (id: string) => ({ id, at: 5, revision: 'm@1', inputs: { a: 2, b: 3 }, expected: 0.25 });
      recorded = Array.from({ length: 40 }, (_, i) => one(`r ${i}`));
      await serving.golden.add(user, 'e', [golden('vip')]);

      const found = await serving.golden.examples('e');

      assert.equal(found.length, 32);
      assert.deepEqual(found.slice(0, 2), [
        golden('vip'),
        { name: 'recorded-r_0', inputs: { a: 2, b: 3 }, expected: 0.25 },
      ]);
      recorded = [];
      assert.deepEqual(await serving.golden.examples('e'), [golden('vip')]);
      await assert.rejects(serving.golden.examples('none'), { code: 'serving/not-found' });
    });

    const golden = (name: string) => ({ name, inputs: { a: 1, b: null }, expected: 0.5 });
    const result = (check: CheckResult['check'], passed: boolean): CheckResult => ({
      ...{
        check,
        passed,
        sentence: `the ${check} check is ${passed ? 'fine' : 'broken'}`,
        figures: { n: 1 },
        details: [],
      },
    });
    const report = (rollout: string, ...results: CheckResult[]) =>
      serving.reportChecks(gateway, { rollout, source: 'gw_1', results });

    test('a version that differs is noted, or refused with the differences by name', async () => {
      await endpoint({});
      const noted = await start(['a', 'c']);
      assert.deepEqual([noted.stage, noted.weight, noted.checks?.[0]?.passed], ['canary', 5, true]);
      assert.deepEqual(noted.checks?.[0]?.details, [
        "input 'c' (a number) is new, and no feature view delivers it",
        "input 'b' is no longer taken",
      ]);
      await serving.abort(user, noted.id, 'enough');

      const spec = {
        model: 'm',
        challengers: 'manual',
        rollout: { strategy: 'paired', checks: { signature: 'compatible' } },
      };
      await database.resources.apply(user, [{ kind: 'endpoint', name: 'e', spec }]);
      const refused = await start(['a', 'c']);
      assert.equal(refused.stage, 'refused');
      assert.match(refused.decisions[0]?.sentence ?? '', /compatible with m@1, and m@2 differs: input 'c'/);
      assert.deepEqual(refused.decisions[0]?.checks?.[0]?.check, 'signature');
      const forced = await serving.start(user, { endpoint: 'e', version: 2, force: { reason: 'it burns' } });
      assert.equal(forced.stage, 'probation');
    });

    test('a candidate waits for a gateway to check it, and then begins, with the findings in its history', async () => {
      await endpoint({ golden: { tolerance: 0.2 }, load: { rate: 50, duration: '2s' } });
      assert.match(
        (await start()).decisions[0]?.sentence ?? '',
        /0 golden requests and its checks need 1: record some/,
      );
      await serving.golden.add(user, 'e', [golden('one'), golden('two')]);

      const { id, stage, weight } = await start();
      assert.deepEqual([stage, weight], ['checking', 0]);
      const routed = (await serving.routing(-1)).endpoints['e'];
      assert.deepEqual(
        [routed?.check, routed?.candidate, routed?.live, routed?.rollout],
        [id, undefined, undefined, undefined],
      );
      const work = await serving.checkWork(id);
      assert.deepEqual([work.arm.revision, work.golden.length, work.plan.load?.seconds], ['m@2', 2, 2]);

      assert.equal(await report(id, result('golden', true)), true);
      assert.equal((await serving.rollout(id)).stage, 'checking');
      await report(id, result('load', true));
      const begun = await serving.rollout(id);
      assert.deepEqual([begun.stage, begun.weight], ['canary', 5]);
      assert.match(begun.decisions[0]?.sentence ?? '', /passed its checks .*golden check is fine; the load/);
      assert.deepEqual(
        begun.decisions[0]?.checks?.map(({ check }) => check),
        ['signature', 'golden', 'load'],
      );
      assert.equal(await report(id, result('golden', false)), false);
      assert.equal((await serving.routing(-1)).endpoints['e']?.candidate?.weight, 5);
      await assert.rejects(serving.checkWork(id), { code: 'serving/not-active' });
    });

    test('a failed check refuses without a lock, a pause keeps it, and a person may pass over it', async () => {
      await endpoint({ golden: {} }, 'paired');
      await serving.golden.add(user, 'e', [golden('one')]);
      const failing = await start();
      await serving.pause(user, failing.id, 'lunch');
      await report(failing.id, result('golden', false));
      assert.equal((await serving.rollout(failing.id)).stage, 'checking');
      const resumed = await serving.resume(user, failing.id, 'back again');
      assert.equal(resumed.stage, 'refused');
      assert.match(resumed.decisions[0]?.sentence ?? '', /failed its checks .*the golden check is broken; it has/);
      assert.equal((await serving.endpoint('e')).locked, false);

      const waved = await start();
      const promoted = await serving.promote(user, waved.id, 'tested elsewhere');
      assert.deepEqual([waved.stage, promoted.stage], ['checking', 'shadow']);
      assert.match(promoted.decisions[0]?.sentence ?? '', /Promoted by hand past its checks: tested elsewhere/);
    });

    test('an endpoint may choose that what fails is only noted', async () => {
      await endpoint({ signature: 'same', golden: {}, onFailure: 'note' });
      await serving.golden.add(user, 'e', [golden('one')]);
      const noted = await start();
      assert.equal(noted.stage, 'checking');
      await report(noted.id, result('golden', false));
      const { stage, decisions, checks } = await serving.rollout(noted.id);
      assert.equal(stage, 'canary');
      assert.match(decisions[0]?.sentence ?? '', /failed its checks .* only notes: .*the golden check is broken/);
      assert.deepEqual(checks?.find(({ check }) => check === 'golden')?.passed, false);
    });

    test('a canary may have to be scored beside for a time, and is refused for what shows then', async () => {
      await endpoint({ shadow: '20s' });
      const seen = (rollout: string, block: number, failures: number) => ({
        ...{ rollout, source: 'gw_1', start: block * BLOCK, end: (block + 1) * BLOCK, weight: 0 },
        current: { answered: 400, logLatencySum: 1_200, scored: 400, failures: 0 },
        candidate: { answered: 0, logLatencySum: 0, scored: 400, failures },
        ...{ pairs: { count: 400, flips: 0 }, assigned: { current: 400, candidate: 0 }, odd: [] },
      });
      const { id, stage } = await start();
      assert.equal(stage, 'shadow');
      await serving.observe(gateway, seen(id, 1, 0));
      assert.match((await serving.rollout(id)).live?.hold?.sentence ?? '', /it is scored beside for 10 ?s of 20 ?s/);
      await serving.observe(gateway, seen(id, 2, 0));
      const begun = await serving.rollout(id);
      assert.deepEqual([begun.stage, begun.weight], ['canary', 5]);
      assert.match(begun.decisions[0]?.sentence ?? '', /was scored beside every answer and no harm was found/);
      await serving.abort(user, id, 'next one');

      const bad = await start();
      await serving.observe(gateway, seen(bad.id, 1, 40));
      assert.equal((await serving.rollout(bad.id)).stage, 'refused');
    });

    test('golden requests are sampled evenly, replaced by name, limited and forgotten', async () => {
      await endpoint({});
      await assert.rejects(serving.golden.sample(user, 'e', 5), { code: 'serving/no-records' });
      recorded = Array.from({ length: 90 }, (_, i) => ({
        ...{ id: `p/${i}`, at: i, revision: 'm@1', inputs: { a: i, b: null }, expected: i / 100 },
      }));
      const sampled = await serving.golden.sample(user, 'e', 3);
      assert.deepEqual(
        sampled.map(({ name, inputs, expected, source, revision }) => [name, inputs['a'], expected, source, revision]),
        [0, 30, 60].map((i) => [`recorded-p_${i}`, i, i / 100, 'records', 'm@1']),
      );
      await serving.golden.add(user, 'e', [golden('recorded-p_0')]);
      const [first, ...others] = await serving.golden.list('e');
      assert.deepEqual([first?.source, first?.expected, others.length], ['hand', 0.5, 2]);
      const many = Array.from({ length: 498 }, (_, i) => golden(`g${i}`));
      await assert.rejects(serving.golden.add(user, 'e', many), { code: 'serving/golden-full' });
      assert.equal((await serving.golden.list('e')).length, 3);
      assert.equal((await serving.golden.remove(user, 'e', 'recorded-p_0')).length, 2);
    });
  },
);
