import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { systemClock } from '#core/clock';
import { digestOf } from '#core/hash';
import { createLogger } from '#platform/observe';
import type { BlobStore } from '#ports/blob-store';
import { brittleModel, logisticModel, slowModel, type TestModel } from '../testing/models.ts';
import { ModelCache } from './model-cache.ts';
import { type ModelFile, modelFile, type RuntimeChoice } from './model-runtime.ts';

describe('the models in memory', () => {
  let folder: string;
  let blobs: BlobStore;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kedge-models-'));
    blobs = await openFsBlobStore({ root: folder });
  });
  after(() => rm(folder, { recursive: true }));

  const put = async (model: TestModel): Promise<ModelFile> => {
    const { digest } = await blobs.put(model.bytes);
    const named = (kind: string) =>
      model.signature.inputs.filter((input) => input.kind === kind).map(({ name }) => name);
    return modelFile(
      digest,
      { numeric: named('numeric'), categories: named('category') },
      { output: model.signature.output },
    );
  };
  const logger = createLogger('test', 'silent');
  const options = { memoryBytesMax: 1e9, choice: 'inline' as RuntimeChoice, clock: systemClock, logger };
  const cacheOf = (choice: RuntimeChoice = 'inline', memoryBytesMax = 1e9): ModelCache =>
    new ModelCache({ ...options, blobs, memoryBytesMax, choice });
  const row = (x: number) => ({ rows: 1, numeric: Float32Array.of(x), categories: [] });

  test('a model asked for many times at once is loaded once', async () => {
    let reads = 0;
    const counting: Pick<BlobStore, 'size' | 'localPath'> = {
      size: (digest) => blobs.size(digest),
      localPath(digest, expected) {
        reads += 1;
        return blobs.localPath(digest, expected);
      },
    };
    const cache = new ModelCache({ ...options, blobs: counting });
    const file = await put(logisticModel({ a: 1 }));

    await Promise.all(Array.from({ length: 20 }, () => cache.load(file)));

    assert.equal(reads, 1);
    assert.ok(cache.ready(file));
    await cache.close();
  });

  test('the least recently used model leaves when another needs its room', async () => {
    const [a, b, c] = (await Promise.all([1, 2, 3].map((w) => put(logisticModel({ a: w }))))) as [
      ModelFile,
      ModelFile,
      ModelFile,
    ];
    // A small model is taken for little over 1 MiB: two fit.
    const cache = cacheOf('inline', 2.5 * 1024 * 1024);
    await cache.load(a);
    await cache.load(b);
    cache.ready(a);

    await cache.load(c);

    assert.deepEqual(
      [a, b, c].map((file) => cache.ready(file) !== undefined),
      [true, false, true],
    );
    assert.ok(cache.memoryBytes <= 2.5 * 1024 * 1024);
    await cache.load(b);
    assert.equal(cache.ready(a), undefined);
    await cache.close();
  });

  test('a pinned model stays however long nobody asks, and what does not fit beside it is told why', async () => {
    const [a, b, c] = (await Promise.all([4, 5, 6].map((w) => put(logisticModel({ a: w }))))) as [
      ModelFile,
      ModelFile,
      ModelFile,
    ];
    const cache = cacheOf('inline', 2.5 * 1024 * 1024);
    const held = () => [a, b, c].map((file) => cache.bytesOf(file) !== undefined);
    cache.pin('test', [a]);
    await cache.load(a);
    await cache.load(b);

    await cache.load(c);
    assert.deepEqual(held(), [true, false, true]);
    cache.pin('test', [a, c]);
    await assert.rejects(cache.load(b), {
      code: 'gateway/model-unavailable',
      message:
        /about 1\.0 MiB of the 2\.5 MiB for models \(KEDGE_MODEL_MEMORY_BYTES\), of which pinned models hold 2\.0 MiB/,
    });
    assert.deepEqual(held(), [true, false, true]);
    // What another owner has pinned is none of this one's.
    cache.pin('other', [c]);
    cache.pin('test', []);
    const d = await put(logisticModel({ a: 7 }));
    await cache.load(d);
    assert.deepEqual(held(), [false, false, true]);
    await cache.close();
  });

  test('pinned models that together exceed the memory are refused, as many as do not fit', async () => {
    const files = await Promise.all([8, 9, 10, 11].map((w) => put(logisticModel({ a: w }))));
    const cache = cacheOf('inline', 2.5 * 1024 * 1024);
    cache.pin('test', files.slice(1));
    const failures: string[] = [];

    await cache.warm(files, (place, error) => failures.push(`${place} ${(error as Error).message}`));

    const [unpinned, ...pinned] = files.map((file) => cache.bytesOf(file) !== undefined);
    assert.equal(unpinned, false);
    // Which of the three it is depends on whose file was found first.
    assert.equal(pinned.filter((isHeld) => isHeld).length, 2);
    assert.match(
      failures.sort().join('\n'),
      /^0 .*pinned models hold[\s\S]*^[123] .*pinned models would exceed the 2\.5 MiB/m,
    );
    assert.equal(failures.length, 2);
    await cache.close();
  });

  test('pinned models are in memory before others take their room', async () => {
    const pinned = await Promise.all([12, 13].map((w) => put(logisticModel({ a: w }))));
    const other = await put(logisticModel({ a: 14 }));
    let heldBefore: readonly boolean[] | undefined;
    const noting: Pick<BlobStore, 'localPath'> = {
      localPath(digest) {
        if (digest === other.digest) heldBefore ??= pinned.map((file) => cache.bytesOf(file) !== undefined);
        return blobs.localPath(digest);
      },
    };
    const cache = new ModelCache({ ...options, blobs: noting, memoryBytesMax: 2.5 * 1024 * 1024 });
    cache.pin('test', pinned);
    const failed: number[] = [];

    await cache.warm([other, ...pinned], (place) => failed.push(place));

    assert.deepEqual(heldBefore, [true, true]);
    assert.deepEqual(failed, [0]);
    await cache.close();
  });

  test('a model that can never fit is refused with the figures', async () => {
    const cache = cacheOf('inline', 1_000);

    await assert.rejects(cache.load(await put(logisticModel({ a: 1 }))), {
      code: 'gateway/model-unavailable',
      message: /needs about 1\.0 MiB of the 1000 B for models/,
    });
  });

  test('inferences in a thread are finished before it is unloaded', async () => {
    const cache = cacheOf('thread');
    const file = await put(slowModel(20));
    await cache.load(file);
    const runtime = cache.ready(file);
    assert.ok(runtime);

    const inferences = [1, 2, 3].map((x) => runtime.infer(row(x)));
    await cache.close();

    const scores = await Promise.all(inferences);
    assert.deepEqual(
      scores.map(([score]) => score),
      [1, 2, 3],
    );
  });

  test('a slow model runs in a thread and a fast one on the event loop', async () => {
    const cache = cacheOf('auto');
    const slow = await put(slowModel(100));
    const fast = await put(logisticModel({ a: 1 }));
    await cache.load(slow);
    await cache.load(fast);

    assert.equal(cache.ready(slow)?.kind, 'thread');
    assert.ok((cache.ready(slow)?.rowMs ?? 0) > 2);
    assert.equal(cache.ready(fast)?.kind, 'inline');
    await cache.close();
  });

  test('both runtimes give the same scores, and stay usable after a failed run', async () => {
    const file = await put(brittleModel());
    for (const choice of ['inline', 'thread'] as const) {
      const cache = cacheOf(choice);
      await cache.load(file);
      const runtime = cache.ready(file);
      assert.ok(runtime);

      await assert.rejects(async () => runtime.infer(row(9)), /indices|index|Gather/i);
      assert.deepEqual([...(await runtime.infer(row(2)))], [2]);
      await cache.close();
    }
  });

  test('a missing or damaged file, and one of another shape, cannot be loaded, in both runtimes', async () => {
    const text = await blobs.put(new TextEncoder().encode('no model'));
    const columns = { numeric: ['x'], categories: [] };
    const brittle = await put(brittleModel());
    for (const choice of ['inline', 'thread'] as const) {
      const cache = cacheOf(choice);
      for (const file of [
        modelFile(digestOf('absent'), columns, { output: 'value' }),
        modelFile(text.digest, columns, { output: 'value' }),
        modelFile(brittle.digest, columns, { output: 'probability' }),
      ]) {
        await assert.rejects(cache.load(file), { code: 'gateway/model-unavailable' });
      }
      await cache.close();
    }
  });
});
