import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { digestOf } from '#core/hash';
import { seededRandom } from '#core/random';
import { fullAccess } from '#platform/access';
import type { Context } from '#platform/db';
import { eventsAfter, Relay } from '#platform/events';
import type { Gate, GateRequest, GateVerdict } from '#ports/gate';
import { createRegistry, type Registry, registryMigrations } from '#registry';
import { forEachDialect, type TestDatabase } from '#testing/databases';
import { trackingMigrations } from '#tracking';
import type { EndpointSpec } from './contract.ts';
import {
  comparisonBlock,
  createServing,
  guardrailTripped,
  type Serving,
  servingKinds,
  servingMigrations,
} from './index.ts';

const HOUR = 3_600_000;
const user: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };

/** A gate in words: it denies the versions it was told to, and remembers what it was asked. */
class ListGate implements Gate {
  readonly denied = new Set<number>();
  readonly asked: GateRequest[] = [];

  async decide(request: GateRequest): Promise<GateVerdict> {
    this.asked.push(request);
    if (!this.denied.has(request.version)) return { allow: true, policy: 'prod', satisfied: [] };
    return { allow: false, policy: 'prod', missing: ['an approval by somebody else', 'evidence of kind leak-check'] };
  }
}

forEachDialect('serving', [...trackingMigrations, ...registryMigrations, ...servingMigrations], (open) => {
  let database: TestDatabase;
  let gate: ListGate;
  let registry: Registry;
  let serving: Serving;
  let relay: Relay;

  beforeEach(async () => {
    database = await open({ kinds: servingKinds });
    gate = new ListGate();
    registry = createRegistry({ ...database.deps, gate });
    serving = createServing({ ...database.deps, gate, versions: registry });
    const onError = (consumer: string, _event: unknown, message: string): void =>
      assert.fail(`${consumer}: ${message}`);
    relay = new Relay({ ...database, consumers: serving.parts.consumers, onError });
    relay.start();
  });
  afterEach(async () => {
    await relay.stop();
    await database.close();
  });

  async function settle(): Promise<void> {
    while (!(await relay.caughtUp())) await new Promise((resolve) => setImmediate(resolve));
  }

  async function declare(spec: Partial<EndpointSpec> | Record<string, unknown> = {}): Promise<void> {
    const draft = { kind: 'endpoint', name: 'delays', spec: { model: 'delay', labelLateness: '1h', ...spec } };
    await database.resources.apply(user, [draft]);
    await settle();
  }

  async function register(content: string, file = 'model.onnx'): Promise<number> {
    const artifact = { path: file, digest: digestOf(content), bytes: content.length };
    const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'probability' as const };
    const { version } = await registry.registerVersion(user, { model: 'delay', artifacts: [artifact], signature });
    await settle();
    return version;
  }

  /** Hours of comparison as monitoring publishes them. */
  async function compare(rollout: string, count: number, mean: number, from = 0): Promise<void> {
    const random = seededRandom(5);
    for (let i = 0; i < count; i++) {
      const lossDifferenceSum = 100 * mean + (random.next() + random.next() + random.next() - 1.5) * 2;
      const block = {
        start: (from + i) * HOUR,
        requests: 100,
        lossDifferenceSum,
        currentLossSum: 50,
        candidateLossSum: 50,
        candidateFailures: 0,
      };
      const data = { rollout, endpoint: 'delays', current: 'delay@1', candidate: 'delay@2', block };
      await database.db.maintain(async (tx) => tx.emit(comparisonBlock.draft(`rollout/${rollout}`, data)));
    }
    await settle();
  }

  const endpoint = () => serving.endpoint('delays');
  const activeId = async (): Promise<string> => (await endpoint()).rollout?.id ?? assert.fail('no active rollout');

  test('the first version is current at once, under the champion alias, and is routed to', async () => {
    await declare();
    const version = await register('one');

    const found = await endpoint();
    assert.equal(found.current?.revision, `delay@${version}`);
    assert.equal(found.rollout, null);
    assert.equal((await registry.versionByAlias('delay', 'champion')).version, version);
    const table = await serving.routing(-1);
    assert.equal(table.endpoints['delays']?.current.digest, digestOf('one'));
    assert.equal(table.endpoints['delays']?.candidate, undefined);
  });

  test('an endpoint declared after its model takes the champion there is', async () => {
    const version = await register('one');
    await registry.moveAlias(user, { model: 'delay', alias: 'champion', version });
    await declare();

    assert.equal((await endpoint()).current?.version, version);
  });

  test('a second version goes through shadow, canary and probation and becomes current', async () => {
    await declare({ rollout: { canary: { steps: [20], bake: '2h' }, probation: '4h' } });
    await register('one');
    const second = await register('two');

    const started = await serving.rollout(await activeId());
    assert.deepEqual([started.stage, started.weight, started.current, started.candidate], ['shadow', 0, 1, second]);
    const shadowed = (await serving.routing(-1)).endpoints['delays'];
    assert.deepEqual([shadowed?.candidate?.weight, shadowed?.candidate?.shadow], [0, true]);

    await compare(started.id, 40, 0.02);

    const ended = await serving.rollout(started.id);
    assert.deepEqual(
      ended.decisions.map(({ to, weight }) => [to, weight]),
      [
        ['canary', 20],
        ['probation', 100],
        ['completed', 100],
      ],
    );
    assert.equal((await endpoint()).current?.version, second);
    assert.equal((await registry.versionByAlias('delay', 'champion')).version, second);
    assert.ok(ended.blocks.length >= 10 && ended.blocks.length < 40);
    assert.equal((await serving.routing(-1)).endpoints['delays']?.candidate, undefined);
  });

  test('the weights of a canary are in the routing table', async () => {
    await declare({ rollout: { canary: { steps: [20, 60], bake: '1h' } } });
    await register('one');
    await register('two');
    await serving.promote(user, await activeId(), 'looks good');

    const candidate = (await serving.routing(-1)).endpoints['delays']?.candidate;
    assert.deepEqual([candidate?.weight, candidate?.shadow], [20, false]);
  });

  test('a version that the gate denies is refused and names what is missing', async () => {
    await declare();
    await register('one');
    gate.denied.add(2);
    await register('two');

    const { items } = await serving.rollouts('delays', { limit: 10 });
    assert.equal(items[0]?.stage, 'refused');
    assert.match(
      items[0]?.decisions[0]?.sentence ?? '',
      /prod.*an approval by somebody else; evidence of kind leak-check/,
    );
    assert.equal((await serving.routing(-1)).endpoints['delays']?.candidate, undefined);
    assert.equal(gate.asked.at(-1)?.target, 'delays');
  });

  test('force waives the gate, is audited with its reason, and begins with all traffic', async () => {
    await declare({ challengers: 'manual' });
    const first = await register('one');
    await serving.start(user, { endpoint: 'delays', version: first });
    gate.denied.add(2);
    const second = await register('two');

    const rollout = await serving.start(user, {
      endpoint: 'delays',
      version: second,
      force: { reason: 'the board wants it' },
    });

    assert.deepEqual([rollout.stage, rollout.weight, rollout.forced], ['probation', 100, true]);
    const routed = (await serving.routing(-1)).endpoints['delays'];
    assert.deepEqual([routed?.current.version, routed?.candidate?.version, routed?.candidate?.weight], [1, 2, 100]);
    const audited = await database.db.reader
      .selectFrom('audit')
      .select('detail')
      .where('subject', '=', 'endpoint/delays')
      .execute();
    assert.ok(audited.some(({ detail }) => JSON.parse(detail).gateWaivedBecause === 'the board wants it'));
  });

  test('a forced version that is worse is rolled back and locks the endpoint until a person unlocks it', async () => {
    await declare({ challengers: 'manual' });
    await serving.start(user, { endpoint: 'delays', version: await register('one') });
    const second = await register('two');
    const { id } = await serving.start(user, { endpoint: 'delays', version: second, force: { reason: 'trust me' } });
    await compare(id, 24, -0.05);

    const rolledBack = await endpoint();
    assert.equal(rolledBack.locked, true);
    assert.match(rolledBack.lockReason ?? '', /Version 2 was rolled back. The candidate is worse by/);
    assert.equal(rolledBack.current?.version, 1);
    assert.equal((await serving.routing(-1)).endpoints['delays']?.candidate, undefined);
    const third = await register('three');
    await assert.rejects(serving.start(user, { endpoint: 'delays', version: third }), { code: 'serving/locked' });

    await serving.unlock(user, 'delays', 'understood and mended');
    assert.equal((await serving.start(user, { endpoint: 'delays', version: third })).stage, 'shadow');
  });

  test('an automatic challenger of a locked endpoint is refused and says why', async () => {
    await declare();
    await register('one');
    await register('two');
    await serving.promote(user, await activeId(), 'go');
    const reported = await report(await activeId());
    assert.equal(reported, true);

    await register('three');

    const { items } = await serving.rollouts('delays', { limit: 1 });
    assert.equal(items[0]?.stage, 'refused');
    assert.match(items[0]?.decisions[0]?.sentence ?? '', /locked until a person unlocks it/);
  });

  async function report(rollout: string): Promise<boolean> {
    const route = serving.parts.routes[0]?.handlers['reportGuardrail'];
    const body = {
      endpoint: 'delays',
      rollout,
      reason: 'error-rate',
      observed: 0.4,
      limit: 0.02,
      requests: 60,
      error: 'boom',
    };
    const gateway = {
      actor: { id: 'service:gateway', roles: ['gateway'] },
      action: 'rollout.guardrail',
      requestId: 'r',
      project: 'default',
      access: fullAccess(),
    };
    assert.ok(route);
    return ((await route({ body } as never, gateway)) as { accepted: boolean }).accepted;
  }

  test('a guardrail report ends the rollout once, and later reports change nothing', async () => {
    await declare();
    await register('one');
    await register('two');
    const id = await activeId();

    assert.deepEqual([await report(id), await report(id)], [true, false]);

    const { stage, decisions } = await serving.rollout(id);
    assert.equal(stage, 'refused');
    assert.match(
      decisions[0]?.sentence ?? '',
      /^The candidate failed 40 % of 60 requests, the limit is 2 %, the last with "boom"/,
    );
    const events = await eventsAfter(database.db.reader, 0, 1_000);
    const trips = events.filter(({ type }) => type === guardrailTripped.type).map(guardrailTripped.read);
    assert.deepEqual(
      trips.map(({ rollout, stage: at }) => [rollout, at]),
      [[id, 'shadow']],
    );
  });

  test('a challenger waits behind an active rollout, gives way to a newer one, and begins in its turn', async () => {
    await declare();
    for (const content of ['one', 'two', 'three', 'four']) await register(content);
    const waiting = await endpoint();
    assert.deepEqual([waiting.rollout?.candidate, waiting.queued], [2, 4]);

    await serving.abort(user, await activeId(), 'make room');
    await settle();

    const after = await endpoint();
    assert.deepEqual([after.rollout?.candidate, after.rollout?.stage, after.queued], [4, 'shadow', null]);
    const { items } = await serving.rollouts('delays', { limit: 10 });
    assert.deepEqual(
      items.map(({ candidate, stage }) => [candidate, stage]),
      [
        [4, 'shadow'],
        [3, 'aborted'],
        [2, 'aborted'],
        [1, 'completed'],
      ],
    );
  });

  test('a person cannot start a second rollout, nor one of the current version', async () => {
    await declare({ challengers: 'manual' });
    await serving.start(user, { endpoint: 'delays', version: await register('one') });
    const second = await register('two');
    await serving.start(user, { endpoint: 'delays', version: second });
    const third = await register('three');

    await assert.rejects(serving.start(user, { endpoint: 'delays', version: third }), {
      code: 'serving/rollout-active',
    });
    await assert.rejects(serving.start(user, { endpoint: 'delays', version: 1 }), { code: 'serving/already-current' });
    await assert.rejects(serving.start(user, { endpoint: 'delays', version: 99 }), {
      code: 'serving/version-not-found',
    });
    await assert.rejects(serving.start(user, { endpoint: 'nobody', version: 1 }), { code: 'serving/not-found' });
  });

  test('a file that a gateway cannot run is refused', async () => {
    await declare({ challengers: 'manual' });
    const version = await register('pickled', 'model.pkl');

    await assert.rejects(serving.start(user, { endpoint: 'delays', version }), { code: 'serving/not-servable' });
  });

  test('the same registration delivered twice starts one rollout', async () => {
    await declare();
    await register('one');
    await register('two');
    const consumer = serving.parts.consumers.find(({ name }) => name === 'serving.challengers');
    const events = await eventsAfter(database.db.reader, 0, 1_000);
    for (const event of events.filter(({ type }) => type === 'registry.version-registered'))
      await consumer?.effect?.(event);

    assert.equal((await serving.rollouts('delays', { limit: 10 })).items.length, 2);
  });

  test('a rollout that has ended takes no more commands, and unlocking what is not locked is refused', async () => {
    await declare();
    await register('one');
    await register('two');
    const id = await activeId();
    await serving.abort(user, id, 'no need');

    await assert.rejects(serving.promote(user, id, 'after all'), { code: 'serving/not-active' });
    await assert.rejects(serving.unlock(user, 'delays', 'why not'), { code: 'serving/not-locked' });
  });

  test('a poll for the routing table waits for a change and is answered by it', async () => {
    await declare();
    await register('one');
    const { version } = await serving.routing(-1);

    const polled = serving.routing(version);
    await register('two');

    const table = await polled;
    assert.ok(table.version > version);
    assert.equal(table.endpoints['delays']?.candidate?.version, 2);
  });

  test('a poll that sees no change is answered with the table there is', async () => {
    await declare();
    const { version } = await serving.routing(-1);

    const startedMs = database.clock.monotonic();
    let answered: number | undefined;
    void serving.routing(version).then((table) => {
      answered = table.version;
    });
    while (answered === undefined) await database.clock.advance(1_000);

    assert.equal(answered, version);
    assert.ok(database.clock.monotonic() - startedMs >= 25_000);
  });

  test('the model of an endpoint is fixed, and deleting the endpoint ends its rollout', async () => {
    await declare();
    await register('one');
    await register('two');
    const id = await activeId();

    await assert.rejects(declare({ model: 'other' }), { code: 'serving/model-fixed' });
    await database.resources.remove(user, 'endpoint', 'delays');

    assert.equal((await serving.rollout(id)).stage, 'aborted');
    assert.deepEqual((await serving.routing(-1)).endpoints, {});
  });
});
