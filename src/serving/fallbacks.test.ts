import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '#core/hash';
import type { Context } from '#platform/db';
import { Relay } from '#platform/events';
import type { Gate } from '#ports/gate';
import { createRegistry, registryMigrations } from '#registry';
import { forEachDialect } from '#testing/databases';
import { trackingMigrations } from '#tracking';
import { createServing, servingKinds, servingMigrations } from './index.ts';

const user: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };
const gate: Gate = { decide: async () => ({ allow: true, policy: 'prod', satisfied: [] }) };

forEachDialect('fallbacks', [...trackingMigrations, ...registryMigrations, ...servingMigrations], (open) => {
  test('fallbacks are in the routing table with the versions that they mean', async () => {
    const database = await open({ kinds: servingKinds });
    const registry = createRegistry({ ...database.deps, gate });
    const serving = createServing({ ...database.deps, gate, versions: registry });
    const onError = (consumer: string, _event: unknown, message: string): void =>
      assert.fail(`${consumer}: ${message}`);
    const relay = new Relay({ ...database, consumers: serving.parts.consumers, onError });
    relay.start();
    const settle = async (): Promise<void> => {
      while (!(await relay.caughtUp())) await new Promise((resolve) => setImmediate(resolve));
    };
    const declare = async (more: object = {}): Promise<void> => {
      await database.resources.apply(user, [{ kind: 'endpoint', name: 'delays', spec: { model: 'delay', ...more } }]);
      await settle();
    };
    const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'probability' as const };
    const register = async (content: string, model = 'delay'): Promise<void> => {
      const artifact = { path: 'model.onnx', digest: digestOf(content), bytes: content.length };
      await registry.registerVersion(user, { model, artifacts: [artifact], signature });
      await settle();
    };
    const constant = { by: 'constant' as const, score: 0.5 };
    await declare();
    await register('one');
    await register('two');
    await register('other', 'simple');
    const simple = { by: 'model' as const, model: 'simple', version: 1 };
    const absent = { by: 'model' as const, model: 'simple', version: 9 };
    await declare({ protection: { fallbacks: [{ by: 'previous' }, simple, absent, constant] } });
    const route = async () => (await serving.routing(-1)).endpoints['delays'];
    const meant = async () =>
      (await route())?.fallbacks?.map((fallback) => ('arm' in fallback ? fallback.arm.revision : fallback.by));

    assert.deepEqual(await meant(), ['simple@1', 'constant']);
    const { rollout } = await serving.endpoint('delays');
    await serving.abort(user, rollout?.id ?? '', 'not this way');
    const forced = await serving.start(user, { endpoint: 'delays', version: 2, force: { reason: 'for the test' } });
    await serving.promote(user, forced.id, 'for the test');
    await settle();
    assert.equal((await route())?.current.revision, 'delay@2');
    assert.deepEqual(await meant(), ['delay@1', 'simple@1', 'constant']);
    assert.deepEqual((await route())?.protection?.limits, []);
    await relay.stop();
    await database.close();
  });
});
