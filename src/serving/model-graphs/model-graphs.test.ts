import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { KedgeError } from '#core/errors';
import type { Context } from '#platform/db';
import { Relay } from '#platform/events';
import type { BlobStore } from '#ports/blob-store';
import type { Gate } from '#ports/gate';
import { createRegistry, type Registry, registryMigrations } from '#registry';
import { forEachDialect, type TestDatabase } from '#testing/databases';
import { trackingMigrations } from '#tracking';
import { linearClasses, scaled, times } from '../gateway/testing/tensor-models.ts';
import { createServing, type Serving, servingKinds, servingMigrations } from '../index.ts';
import { parseDeclaration } from '../model-declaration.ts';

const user: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };
const gate: Gate = { decide: async () => ({ allow: true, policy: 'open', satisfied: [] }) };
const X = { name: 'x', datatype: 'FP32', shape: [-1] };

forEachDialect(
  'graphs of models as resources',
  [...trackingMigrations, ...registryMigrations, ...servingMigrations],
  (open) => {
    let folder: string;
    let blobs: BlobStore;
    let database: TestDatabase;
    let registry: Registry;
    let serving: Serving;
    let relay: Relay;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'kedge-graphs-'));
      blobs = await openFsBlobStore({ root: folder });
    });
    after(() => rm(folder, { recursive: true, force: true }));
    beforeEach(async () => {
      database = await open({ kinds: servingKinds });
      registry = createRegistry({ ...database.deps, gate });
      serving = createServing({ ...database.deps, gate, versions: registry, blobs });
      const onError = (consumer: string, _: unknown, message: string): void => assert.fail(`${consumer}: ${message}`);
      relay = new Relay({ ...database, consumers: serving.parts.consumers, onError });
      relay.start();
      await register('ten', times(10));
      await register('twenty', times(20));
      await register('whole', scaled(1));
    });
    afterEach(async () => {
      await relay.stop();
      await database.close();
    });

    async function settle(): Promise<void> {
      while (!(await relay.caughtUp())) await new Promise((resolve) => setImmediate(resolve));
    }

    async function register(model: string, content: Uint8Array<ArrayBuffer>, columns?: readonly string[]) {
      const { digest, bytes } = await blobs.put(content);
      const inputs = columns?.map((name) => ({ name, kind: 'numeric' as const }));
      const signature = inputs ? { inputs, output: 'value' as const } : null;
      await registry.registerVersion(user, { model, artifacts: [{ path: 'model.onnx', digest, bytes }], signature });
    }

    const node = (name: string, model: string, from = 'x') => ({ name, model, inputs: { x: from } });
    const mean = (...models: readonly string[]) => ({
      inputs: [X],
      nodes: [
        ...models.map((model, i) => node(`n${i}`, model)),
        { name: 'both', combine: 'mean', of: models.map((_, i) => `n${i}.y`) },
      ],
      outputs: { y: 'both.value' },
    });
    const apply = async (spec: object, dryRun = false) => {
      const changes = await database.resources.apply(user, [{ kind: 'model-graph', name: 'both', spec: { ...spec } }], {
        dryRun,
      });
      await settle();
      return changes;
    };
    const status = async () => (await database.resources.get('model-graph', 'both')).status;

    test('a declared graph is a version, a changed one another, and endpoints roll them out', async () => {
      const live = { strategy: 'canary', live: { steps: [20], block: { length: '1s' } } };
      const spec = { model: 'both', rollout: live, challengers: 'automatic' };
      await database.resources.apply(user, [{ kind: 'endpoint', name: 'e', spec }]);
      await apply(mean('ten@1', 'twenty@1'));

      const first = await status();
      assert.deepEqual([first['revision'], first['parts']], ['both@1', ['ten@1', 'twenty@1']]);
      const { current } = (await serving.routing(-1)).endpoints['e'] ?? {};
      const digestOfTen = (await registry.getVersion('ten', 1)).modelFile.digest;
      assert.equal(current?.parts?.['ten@1'], digestOfTen);
      assert.deepEqual(current?.tensors?.outputs, [{ name: 'y', datatype: 'FP32', shape: [-1] }]);
      const kept = parseDeclaration(new TextDecoder().decode(await blobs.read(current?.digest ?? 'sha256:')));
      assert.equal(kept.runtime, 'graph');

      assert.equal((await apply(mean('ten@1', 'twenty@1')))[0]?.change, 'none');
      await apply({
        ...mean('ten@1', 'twenty@1'),
        nodes: [node('n0', 'ten@1'), node('both', 'twenty@1', 'n0.y')],
        outputs: { y: 'both.y' },
      });
      assert.equal((await status())['revision'], 'both@2');
      const routed = (await serving.routing(-1)).endpoints['e'];
      assert.deepEqual([routed?.current.version, routed?.candidate?.version, routed?.candidate?.weight], [1, 2, 20]);

      await apply(mean('ten@1', 'twenty@1'));
      assert.equal((await status())['revision'], 'both@1', 'what was declared before is the version that it was');
    });

    test('what does not hold together is refused at its place, in a plan and when it is applied', async () => {
      await register('classes', linearClasses([1, 0, 0, 0, 1, 0]));
      const cycle = {
        inputs: [X],
        nodes: [node('a', 'ten@1', 'b.y'), node('b', 'twenty@1', 'a.y')],
        outputs: { y: 'b.y' },
      };
      for (const [spec, path, words] of [
        [cycle, 'nodes.a', /takes from itself: a ← b ← a/],
        [mean('ten@1', 'gone@7'), 'nodes.n1.model', /no registered model named 'gone'/],
        [mean('ten@4', 'twenty@1'), 'nodes.n0.model', /no version 4|version 4/],
        [mean('ten@1', 'whole@1'), 'nodes.n1.inputs.x', /whole@1 takes INT64 \[-1\], 'x' is FP32 \[-1\]/],
        [mean('ten@1', 'classes@1'), 'nodes.n1.inputs.x', /classes@1 takes FP32 \[-1,2\], 'x' is FP32 \[-1\]/],
        [{ ...mean('ten@1'), outputs: { y: 'sum.value' } }, 'outputs.y', /there is no 'sum\.value'/],
        [
          { ...mean('ten@1'), columns: { of: 'n0', output: 'value' } },
          'columns.of',
          /ten@1 takes tensors, not columns/,
        ],
        [{ ...mean('ten@1'), columns: { of: 'm', output: 'value' } }, 'columns.of', /no node 'm' that is a model/],
        [{ ...mean('ten@1'), nodes: [] }, 'nodes', /./],
      ] as const) {
        for (const dryRun of [true, false]) {
          await assert.rejects(apply(spec, dryRun), (error) => {
            assert.ok(error instanceof KedgeError, String(error));
            assert.equal(error.fields?.[0]?.path, `resources.0.spec.${path}`);
            assert.match(error.fields?.[0]?.message ?? '', words);
            return true;
          });
        }
      }
      assert.equal(await database.resources.find('model-graph', 'both'), undefined);
    });

    test('a graph of models of columns takes the columns of one of them, under the model that it says', async () => {
      await register('line', linearClasses([1, 0, 0, 0, 1, 0]), ['a', 'b']);
      const graph = (width: number) => ({
        inputs: [{ name: 'features', datatype: 'FP32', shape: [-1, width] }],
        nodes: [{ name: 'n', model: 'line@1', inputs: { features: 'features' } }],
        outputs: { value: 'n.value' },
        ...{ columns: { of: 'n', output: 'value' }, model: 'line' },
      });
      await assert.rejects(apply(graph(3)), /line@1 takes FP32 \[-1,2\]/);
      await apply(graph(2));
      assert.equal((await status())['revision'], 'line@2');
      const { signature } = await registry.getVersion('line', 2);
      assert.deepEqual([signature.inputs.map(({ name }) => name), signature.output], [['a', 'b'], 'value']);
    });
  },
);
