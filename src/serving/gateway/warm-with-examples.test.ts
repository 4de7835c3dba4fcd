import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { ManualClock, systemClock } from '#core/clock';
import type { Digest } from '#core/hash';
import { createLogger } from '#platform/observe';
import type { BlobStore } from '#ports/blob-store';
import type { GoldenRequest } from '../checks/golden-request.ts';
import { Router, type RouterOptions } from './router.ts';
import { ModelCache } from './runtime/model-cache.ts';
import type { Batch, ModelFile, ModelRuntime } from './runtime/model-runtime.ts';
import { Prefetch } from './runtime/prefetch.ts';
import { endpointOf, putModel } from './testing/gateway-harness.ts';
import { categoryModel, logisticModel } from './testing/models.ts';

const logger = createLogger('test', 'silent');
const protection = { clock: systemClock, shared: undefined, onSharedDown: () => {}, onLook: () => {} };
let folder = '';
let blobs: BlobStore;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-examples-'));
  blobs = await openFsBlobStore({ root: folder });
});
after(() => rm(folder, { recursive: true }));

/** The real models, with a note of what they are asked. */
class NotingCache extends ModelCache {
  readonly asked: Pick<Batch, 'numeric' | 'categories'>[] = [];
  readonly isAsked = Promise.withResolvers<void>();
  answers: ((batch: Batch) => Promise<Float32Array>) | undefined;

  override ready(file: ModelFile): ModelRuntime | undefined {
    const runtime = super.ready(file);
    if (!runtime) return undefined;
    return Object.create(runtime, {
      infer: {
        value: (batch: Batch) => {
          this.asked.push({ numeric: batch.numeric.slice(), categories: [...batch.categories] });
          this.isAsked.resolve();
          return this.answers?.(batch) ?? runtime.infer(batch);
        },
      },
      kind: { value: runtime.kind },
    });
  }
}

const cacheOf = (memoryBytesMax = 1e9): NotingCache =>
  new NotingCache({ blobs, memoryBytesMax, choice: 'inline', clock: systemClock, logger });
const routerOf = (cache: ModelCache, more: Partial<RouterOptions>): Router =>
  new Router({ cache, logger, clock: systemClock, protection, ...more });
const example = (inputs: GoldenRequest['inputs']): GoldenRequest => ({ name: 'x', inputs, expected: 0 });

test('new revisions answer recorded requests before they answer anybody, and known ones are left alone', async () => {
  const cache = cacheOf();
  const asked: [string, number][] = [];
  const router: Router = routerOf(cache, {
    async examples(endpoint) {
      asked.push([endpoint, router.version]);
      // The second is one that the model does not take.
      return [example({ x: 1, c: 'b' }), example({ x: 'many' }), example({ x: 2, c: '?' })];
    },
  });
  const kinds = endpointOf('kinds', await putModel(blobs, categoryModel(), { name: 'kind', version: 1 }));

  await router.apply({ version: 1, endpoints: { kinds } });

  assert.deepEqual(asked, [['kinds', -1]]);
  assert.deepEqual(cache.asked, [
    { numeric: Float32Array.of(1), categories: ['b'] },
    { numeric: Float32Array.of(2), categories: ['?'] },
  ]);
  const candidate = await putModel(blobs, logisticModel({ x: 3 }), { name: 'kind', version: 2 });
  await router.apply({
    version: 2,
    endpoints: { kinds: { ...kinds, candidate: { ...candidate, weight: 5, shadow: false } } },
  });
  assert.deepEqual(asked.at(-1), ['kinds', 1]);
  assert.deepEqual(
    cache.asked.slice(2).map(({ numeric }) => [...numeric]),
    [[1], [2]],
  );
  await router.apply({ version: 3, endpoints: { kinds } });
  assert.equal(asked.length, 2);
  await cache.close();
});

test('a model that never answers keeps its table waiting for a second', async () => {
  const cache = cacheOf();
  cache.answers = () => new Promise(() => {});
  const clock = new ManualClock();
  const router = routerOf(cache, { clock, examples: async () => [example({ x: 1 })] });
  const endpoints = { e: endpointOf('e', await putModel(blobs, logisticModel({ x: 9 }), { name: 'm', version: 1 })) };

  const applied = router.apply({ version: 1, endpoints });
  await cache.isAsked.promise;
  assert.equal(router.version, -1);
  await clock.advance(1_000);
  await applied;
  assert.equal(router.version, 1);
  await cache.close();
});

test('a table is in force without examples where nobody can be asked for them, and one is asked once', async () => {
  const cache = cacheOf();
  let asked = 0;
  const router = routerOf(cache, {
    examples() {
      asked += 1;
      return Promise.reject(new Error('the control plane is away'));
    },
  });
  const names = Array.from({ length: 30 }, (_, i) => `e${i}`);
  const arm = await putModel(blobs, logisticModel({ x: 4 }), { name: 'm', version: 1 });

  await router.apply({ version: 1, endpoints: Object.fromEntries(names.map((name) => [name, endpointOf(name, arm)])) });

  assert.equal(router.version, 1);
  // As many as are asked together.
  assert.ok(asked <= 8, `${asked} endpoints`);
  assert.deepEqual(cache.asked, []);
  await cache.close();
});

test('files of revisions that memory has no room for are fetched ahead of their first request', async () => {
  const cache = cacheOf(1.5 * 1024 * 1024);
  const fetched: Digest[] = [];
  const noting = {
    localPath(digest: Digest) {
      fetched.push(digest);
      return blobs.localPath(digest);
    },
  };
  const { signal } = new AbortController();
  const prefetch = new Prefetch({ blobs: noting, logger, signal });
  let fetching = Promise.resolve();
  const router = routerOf(cache, {
    prefetch: {
      want(digests) {
        fetching = prefetch.want(digests);
        return fetching;
      },
    },
  });
  const arms = await Promise.all(
    [5, 6, 7].map((w, i) => putModel(blobs, logisticModel({ x: w }), { name: `m${i}`, version: 1 })),
  );
  const endpoints = Object.fromEntries(arms.map((arm) => [arm.model, endpointOf(arm.model, arm)]));

  await router.apply({ version: 1, endpoints });
  await fetching;

  const inMemory = arms.filter(({ digest }) => !fetched.includes(digest));
  assert.deepEqual([inMemory.length, fetched.length], [1, 2]);
  const { current, ...rest } = endpoints['m0'] as (typeof endpoints)[string];
  const gone = { ...current, digest: `sha256:${'0'.repeat(64)}` as Digest, revision: 'm0@2' };
  await router.apply({ version: 2, endpoints: { ...endpoints, m0: { ...rest, current: gone } } });
  await fetching;
  // What is not there is told of and keeps nothing else from being fetched.
  assert.ok(fetched.slice(2).includes(gone.digest));
  await cache.close();
});
