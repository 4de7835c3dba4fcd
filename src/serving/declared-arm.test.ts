import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { digestOf } from '#core/hash';
import type { Context } from '#platform/db';
import type { BlobStore } from '#ports/blob-store';
import type { Gate } from '#ports/gate';
import { createRegistry, type Registry, registryMigrations } from '#registry';
import { forEachDialect, type TestDatabase } from '#testing/databases';
import { trackingMigrations } from '#tracking';
import { createServing, type Serving, servingErrors, servingKinds, servingMigrations } from './index.ts';

const user: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };
const gate: Gate = { decide: async () => ({ allow: true, policy: 'open', satisfied: [] }) };

forEachDialect(
  'versions that are declared',
  [...trackingMigrations, ...registryMigrations, ...servingMigrations],
  (open) => {
    let database: TestDatabase;
    let folder: string;
    let blobs: BlobStore;
    let registry: Registry;
    let serving: Serving;
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'kedge-declared-'));
      blobs = await openFsBlobStore({ root: folder });
      database = await open({ kinds: servingKinds });
      registry = createRegistry({ ...database.deps, gate });
      serving = createServing({ ...database.deps, gate, versions: registry, blobs });
      await database.resources.apply(user, [
        { kind: 'endpoint', name: 'delays', spec: { model: 'delay', labelLateness: '1h', challengers: 'manual' } },
      ]);
    });
    afterEach(async () => {
      await database.close();
      await rm(folder, { recursive: true, force: true });
    });

    async function register(model: string, path: string, content: string, inputs = ['x']): Promise<number> {
      const { digest, bytes } = await blobs.put(new TextEncoder().encode(content));
      const signature = {
        inputs: inputs.map((name) => ({ name, kind: 'numeric' as const })),
        output: 'value' as const,
      };
      const artifacts = [{ path, digest, bytes }];
      return (await registry.registerVersion(user, { model, artifacts, signature })).version;
    }
    const declare = (declaration: object): Promise<number> =>
      register('delay', 'model.json', JSON.stringify(declaration));
    const start = (version: number) => serving.start(user, { endpoint: 'delays', version });
    const graph = (parts: readonly string[]) => ({
      runtime: 'graph',
      inputs: [{ name: 'features', datatype: 'FP32', shape: [-1, 1] }],
      nodes: [
        ...parts.map((model, i) => ({ name: `n${i}`, model, inputs: { features: 'features' } })),
        { name: 'mean', combine: 'mean', of: parts.map((_, i) => `n${i}.value`) },
      ],
      outputs: { value: 'mean.value' },
    });

    test('a graph is put into service with the versions that it uses, found and checked', async () => {
      await register('one', 'model.onnx', 'first part');
      await register('other', 'model.onnx', 'second part');
      const version = await declare(graph(['one@1', 'other@1']));

      await start(version);

      const { endpoints } = await serving.routing(-1);
      assert.deepEqual(endpoints['delays']?.current.parts, {
        'one@1': digestOf('first part'),
        'other@1': digestOf('second part'),
      });
    });

    test('what does not hold together gets no traffic, and the place is told', async () => {
      await register('one', 'model.onnx', 'first part');
      await register('wide', 'model.onnx', 'second part', ['x', 'y']);
      for (const [declaration, words] of [
        [graph(['one@2']), /nodes\.n0\.model: /],
        [graph(['one']), /nodes\.n0\.model: expected a version, such as delay@3, found 'one'/],
        [
          graph(['one@1', 'wide@1']),
          /nodes\.n1\.inputs\.features: wide@1 takes FP32 \[-1,2\], 'features' is FP32 \[-1,1\]/,
        ],
        [{ runtime: 'external', url: 'ftp://host', model: 'm' }, /model\.json: url/],
        [{ runtime: 'process', protocol: 'oip', command: ['serve'] }, /model\.json: command: expected either \{port\}/],
        [{ runtime: 'magic' }, /model\.json: runtime/],
      ] as const) {
        const version = await declare(declaration);
        const refused = { code: servingErrors['not-servable'].code, message: words };
        await assert.rejects(start(version), refused);
      }
      assert.deepEqual((await serving.routing(-1)).endpoints, {});
    });

    test('a server or a process is put into service as it is declared', async () => {
      const version = await declare({ runtime: 'external', url: 'grpc://triton:8001', model: 'delays' });
      await start(version);
      const { endpoints } = await serving.routing(-1);
      assert.equal(endpoints['delays']?.current.revision, `delay@${version}`);
      assert.equal(endpoints['delays']?.current.parts, undefined);
    });
  },
);
