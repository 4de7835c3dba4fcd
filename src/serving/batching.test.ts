import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '#core/hash';
import type { Context } from '#platform/db';
import type { Gate } from '#ports/gate';
import { createRegistry, registryMigrations } from '#registry';
import { forEachDialect } from '#testing/databases';
import { trackingMigrations } from '#tracking';
import { endpointSpec } from './endpoint-spec.ts';
import { createServing, servingKinds, servingMigrations } from './index.ts';
import { routingTableSchema } from './routing.ts';

const user: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };
const gate: Gate = { decide: async () => ({ allow: true, policy: 'prod', satisfied: [] }) };

forEachDialect('batching', [...trackingMigrations, ...registryMigrations, ...servingMigrations], (open) => {
  test('how requests wait is in the routing table as it is declared, and gone with the declaration', async () => {
    const database = await open({ kinds: servingKinds });
    const registry = createRegistry({ ...database.deps, gate });
    const serving = createServing({ ...database.deps, gate, versions: registry });
    const declare = (more: object = {}) =>
      database.resources.apply(user, [{ kind: 'endpoint', name: 'delays', spec: { model: 'delay', ...more } }]);
    const route = async () => routingTableSchema.parse(await serving.routing(-1)).endpoints['delays'];
    const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'probability' as const };
    const artifact = { path: 'model.onnx', digest: digestOf('one'), bytes: 3 };
    await declare({ batching: { maxDelayMs: 4, queueMax: 100, priorities: { levels: 3, default: 2 } } });
    await registry.registerVersion(user, { model: 'delay', artifacts: [artifact], signature });
    await serving.start(user, { endpoint: 'delays', version: 1, force: { reason: 'for the test' } });

    assert.deepEqual((await route())?.batching, {
      ...{ maxRows: 512, maxDelayMs: 4, queueMax: 100, queueTimeoutMs: null, whenLate: 'reject' },
      priorities: { levels: 3, default: 2 },
    });
    const { version } = await serving.routing(-1);
    await declare();
    assert.equal((await route())?.batching, undefined);
    assert.ok((await serving.routing(-1)).version > version);
    await database.close();
  });
});

test('a declaration that cannot be met is refused, with the field', () => {
  const pathOf = (batching: object): string | undefined =>
    endpointSpec.safeParse({ model: 'm', timeoutMs: 100, batching }).error?.issues[0]?.path.join('.');

  assert.equal(pathOf({ maxDelayMs: 99 }), undefined);
  assert.equal(pathOf({ maxDelayMs: 100 }), 'batching.maxDelayMs');
  assert.equal(pathOf({ maxRows: 0 }), 'batching.maxRows');
  assert.equal(pathOf({ queueMax: 0 }), 'batching.queueMax');
  assert.equal(pathOf({ priorities: { levels: 2, default: 3 } }), 'batching.priorities.default');
});
