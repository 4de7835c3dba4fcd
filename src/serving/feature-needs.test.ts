import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { digestOf } from '#core/hash';
import { datasetKinds } from '#datasets';
import { type FeatureViewSpec, featureKinds, plannedView } from '#features';
import type { Context } from '#platform/db';
import { Relay } from '#platform/events';
import { createRegistry, registryMigrations } from '#registry';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { trackingMigrations } from '#tracking';
import { createServing, servingKinds, servingMigrations } from './index.ts';

const user: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };

const view = (name: string, ...features: readonly string[]) => ({
  kind: 'feature-view',
  name,
  spec: {
    dataset: 'flights',
    keys: [name],
    features: features.map((feature) => ({ name: feature, aggregate: 'count', window: '3h' })),
  },
});
const endpoint = (...views: readonly string[]) => ({
  kind: 'endpoint',
  name: 'delays',
  spec: { model: 'delay', features: views.length > 0 ? { views } : null },
});

async function openServing(t: TestContext, open: OpenDatabase) {
  const database = await open({ kinds: [...datasetKinds, ...featureKinds, ...servingKinds] });
  const { resources, deps } = database;
  const gate = { decide: async () => ({ allow: true, policy: null, satisfied: [] }) as const };
  const registry = createRegistry({ ...deps, gate });
  const specOf = async (name: string) => (await resources.get('feature-view', name)).spec as FeatureViewSpec;
  const features = {
    plan: async (views: readonly string[]) => ({
      views: await Promise.all(views.map(async (name) => plannedView(name, await specOf(name)))),
    }),
  };
  const serving = createServing({ ...deps, gate, versions: registry, features });
  const onError = (consumer: string, _event: unknown, message: string) => assert.fail(`${consumer}: ${message}`);
  const relay = new Relay({ ...database, consumers: serving.parts.consumers, onError });
  relay.start();
  t.after(async () => {
    await relay.stop();
    await database.close();
  });
  const settle = async (): Promise<void> => {
    while (!(await relay.caughtUp())) await new Promise((resolve) => setImmediate(resolve));
  };
  const apply = async (...drafts: Parameters<typeof resources.apply>[1][number][]): Promise<void> => {
    await resources.apply(user, drafts);
    await settle();
  };
  const dataset = { kind: 'dataset', name: 'flights', spec: { eventTime: 'departed' } };
  await apply(dataset, view('origin', 'o_late', 'o_count'), view('route', 'r_late'), endpoint('origin', 'route'));
  return {
    serving,
    apply,
    /** Registers a version that takes these inputs. It is current if it is the first, else it gets a rollout. */
    async register(...inputs: readonly string[]): Promise<void> {
      const name = inputs.join();
      const artifact = { path: 'model.onnx', digest: digestOf(name), bytes: name.length };
      const signature = {
        inputs: inputs.map((input) => ({ name: input, kind: 'numeric' as const })),
        output: 'probability' as const,
      };
      await registry.registerVersion(user, { model: 'delay', artifacts: [artifact], signature });
      await settle();
    },
    rollout: async () => (await serving.endpoint('delays')).rollout?.id ?? assert.fail('no active rollout'),
    views: async () =>
      (await serving.routing(-1)).endpoints['delays']?.features?.views.map(({ name, features: planned }) => [
        name,
        ...planned.map((feature) => feature.name),
      ]),
  };
}

const NEEDED = 'serving/feature-needed';
const all = [
  ['origin', 'o_late', 'o_count'],
  ['route', 'r_late'],
];

forEachDialect(
  'Feature views that revisions need',
  [...trackingMigrations, ...registryMigrations, ...servingMigrations],
  (open) => {
    test('a view that the current revision takes inputs from is not dropped, and the others are', async (t) => {
      const { apply, register, views } = await openServing(t, open);
      await register('distance', 'o_late');

      await assert.rejects(apply(endpoint('route')), {
        code: NEEDED,
        message:
          "endpoint 'delays' would lack o_late of feature view 'origin', which delay@1, its current revision, takes: " +
          'keep the view until a version that does without it is current',
      });
      await assert.rejects(apply(endpoint()), { code: NEEDED });
      assert.deepEqual(await views(), all);

      await apply(endpoint('origin'));
      assert.deepEqual(await views(), [all[0]]);
    });

    test('a view that only the candidate takes inputs from is kept until its rollout has ended', async (t) => {
      const { apply, register, serving, rollout, views } = await openServing(t, open);
      await register('o_late');
      await register('o_late', 'r_late');
      const id = await rollout();

      await assert.rejects(apply(endpoint('origin')), {
        code: NEEDED,
        message:
          "endpoint 'delays' would lack r_late of feature view 'route', which delay@2, the candidate of rollout " +
          `${id}, takes: keep the view, or abort the rollout first`,
      });

      await serving.abort(user, id, 'not needed');
      await apply(endpoint('origin'));
      assert.deepEqual(await views(), [all[0]]);
    });

    test('a view of the former revision is kept while the rollout may go back to it', async (t) => {
      const { apply, register, serving, rollout, views } = await openServing(t, open);
      await register('o_late', 'r_late');
      await register('o_late');
      const id = await rollout();
      const stage = async () => (await serving.rollout(id)).stage;
      while ((await stage()) !== 'probation') await serving.promote(user, id, 'looks good');

      await assert.rejects(apply(endpoint('origin')), {
        code: NEEDED,
        message:
          "endpoint 'delays' would lack r_late of feature view 'route', which delay@1, the former revision that " +
          `rollout ${id} may go back to, takes: keep the view until the rollout has ended`,
      });

      await serving.promote(user, id, 'looks good');
      await apply(endpoint('origin'));
      assert.deepEqual(await views(), [all[0]]);
    });

    test('a view of a version that waits for its rollout is kept', async (t) => {
      const { apply, register, rollout } = await openServing(t, open);
      await register('o_late');
      await register('o_late', 'distance');
      await register('r_late');
      await rollout();

      await assert.rejects(apply(endpoint('origin')), {
        code: NEEDED,
        message: /which delay@3, which waits in rollout \w+, takes: keep the view, or abort the rollout first$/,
      });
    });

    test('another view that delivers the same features may take its place', async (t) => {
      const { apply, register, views } = await openServing(t, open);
      await register('r_late');

      await apply(view('path', 'r_late', 'r_count'), endpoint('origin', 'path'));

      assert.deepEqual(await views(), [all[0], ['path', 'r_late', 'r_count']]);
    });

    test('a view may gain features, and lose only those that no revision takes', async (t) => {
      const { apply, register, views } = await openServing(t, open);
      await register('o_late');

      await assert.rejects(apply(view('origin', 'o_count', 'o_mean')), {
        code: NEEDED,
        message: /^endpoint 'delays' would lack o_late of feature view 'origin', which delay@1, its current revision/,
      });
      await apply(view('origin', 'o_late', 'o_mean'));

      assert.deepEqual(await views(), [['origin', 'o_late', 'o_mean'], all[1]]);
    });

    test('a view that delivers to no revision comes and goes', async (t) => {
      const { apply, register, views } = await openServing(t, open);
      await apply(endpoint());
      await register('o_late');

      await apply(endpoint('route'));
      await apply(endpoint());

      assert.equal(await views(), undefined);
    });
  },
);
