import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSqlite } from '#adapters/sql/sqlite';
import { realSystem } from '#core/system';
import { monitoringSignal } from '#monitoring';
import { DEFAULT_PROJECT, fullAccess } from '#platform/access';
import { Relay } from '#platform/events';

import type { RequestContext } from '#platform/http';
import { openComposed } from './testing.ts';

const user: RequestContext = {
  actor: { id: 'user:ada', roles: ['admin'] },
  action: 'test',
  requestId: 'r',
  project: DEFAULT_PROJECT,
  access: fullAccess(),
};

const declared = [
  { kind: 'endpoint', name: 'delays', spec: { model: 'delay' } },
  {
    kind: 'monitor',
    name: 'quality',
    spec: { endpoint: 'delays', window: '1d', alerts: [{ name: 'bad', metric: 'ece', above: 0.1, k: 1, n: 1 }] },
  },
  { kind: 'pipeline', name: 'retrain', spec: { steps: [{ name: 'fit', command: ['/bin/true'] }] } },
  {
    kind: 'rule',
    name: 'retrain-when-bad',
    spec: { on: { monitor: 'quality', alert: 'bad' }, run: { pipeline: 'retrain' }, depthMax: 3 },
  },
];

test('a signal soon after a promotion continues the chain of causes that made the promoted version', async (t) => {
  const { db, resources, parts, blobs, close } = await openComposed(openSqlite(':memory:'));
  const call = (operation: string, input: object): Promise<unknown> => {
    const group = parts.flatMap(({ routes }) => routes).find(({ handlers }) => handlers[operation]);
    return group?.handlers[operation]?.(input as never, user) ?? assert.fail(`no operation ${operation}`);
  };
  const errors: string[] = [];
  const relay = new Relay({
    db,
    system: realSystem(),
    consumers: parts.flatMap((part) => part.consumers),
    onError: (consumer, event, message) => void errors.push(`${consumer}, ${event.type}: ${message}`),
  });
  relay.start();
  t.after(async () => {
    await relay.stop();
    await close();
  });
  const settle = async (): Promise<void> => {
    while (errors.length === 0 && !(await relay.caughtUp())) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(errors, []);
  };
  await resources.apply(user, declared);
  const { digest, bytes } = await blobs.put(new TextEncoder().encode('a model'));
  await call('registerVersion', {
    params: { model: 'delay' },
    body: {
      artifacts: [{ path: 'model.onnx', digest, bytes }],
      signature: { inputs: [{ name: 'x', kind: 'numeric' }], output: 'probability' },
      cause: { kind: 'rule', id: 'rule/retrain-when-bad', depth: 3 },
    },
  });
  await settle();

  await db.maintain(async (tx) => {
    const at = tx.now + 60_000;
    const told = { metric: 'ece', feature: null, value: 0.2, threshold: 0.1, sentence: 'bad' };
    const of = { monitor: 'quality', endpoint: 'delays', alert: 'bad' };
    tx.emit(monitoringSignal.draft('monitor/quality', { ...of, ...told, state: 'firing', at }));
  });
  await settle();

  const { items } = (await call('listDecisions', { query: { limit: 10 } })) as { items: Record<string, unknown>[] };
  assert.deepEqual(
    items.map(({ rule, outcome, reason }) => [rule, outcome, reason]),
    [['retrain-when-bad', 'loop', 'the signal is itself 3 automatic steps away from a person, the limit is 3']],
  );
});
