import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Digest, digestOf } from '#core/hash';
import { type BlobStore, blobErrors, type ListedBlob } from '#ports/blob-store';

export interface OpenBlobStore {
  readonly store: BlobStore;
  close(): Promise<void>;
}

/** Registers the tests that every blob store passes. `open` makes an empty store each time. */
export function blobStoreConformance(name: string, open: () => Promise<OpenBlobStore>): void {
  const withStore = (test: (store: BlobStore) => Promise<void>) => async (): Promise<void> => {
    const { store, close } = await open();
    try {
      await test(store);
    } finally {
      await close();
    }
  };
  describe(`${name} as a blob store`, () => {
    identityCases(withStore);
    garbageCases(withStore);
    streamCases(withStore);
    refusalCases(withStore);
  });
}

type WithStore = (test: (store: BlobStore) => Promise<void>) => () => Promise<void>;

const HELLO = new TextEncoder().encode('hello, blob');
const ABSENT = digestOf('never stored');

function identityCases(withStore: WithStore): void {
  const whole = fc.uint8Array({ maxLength: 5_000 });

  it(
    'gives back what was put, whole or in chunks, under the digest of the content',
    withStore(async (store) => {
      const property = fc.asyncProperty(whole, fc.array(fc.nat({ max: 5_000 })), async (content, cuts) => {
        const expected = { digest: digestOf(content), bytes: content.length };
        assert.deepEqual(await store.put(content), expected);
        assert.deepEqual(await store.put(inChunks(content, cuts)), expected);
        assert.deepEqual(Buffer.from(await store.read(expected.digest)), Buffer.from(content));
        assert.deepEqual(await collect(await store.get(expected.digest)), Buffer.from(content));
        assert.equal(await store.size(expected.digest), content.length);
      });
      await fc.assert(property, { numRuns: 50 });
    }),
  );

  it(
    'gives back every range of the content',
    withStore(async (store) => {
      const { digest } = await store.put(HELLO);
      for (let start = 0; start <= HELLO.length; start++) {
        assert.deepEqual(await collect(await store.get(digest, { start })), Buffer.from(HELLO.slice(start)));
        for (let end = start; end <= HELLO.length; end++) {
          const part = await collect(await store.get(digest, { start, end }));
          assert.deepEqual(part, Buffer.from(HELLO.slice(start, end)));
        }
      }
    }),
  );

  it(
    'stores equal content once, also when it is put by many at the same time',
    withStore(async (store) => {
      const puts = await Promise.all(Array.from({ length: 8 }, () => store.put(inChunks(HELLO, [3, 7]))));
      assert.equal(new Set(puts.map((put) => put.digest)).size, 1);
      assert.equal((await gather(store.list())).length, 1);
      assert.deepEqual(Buffer.from(await store.read(puts[0]!.digest)), Buffer.from(HELLO));
    }),
  );

  it(
    'lists everything in the order of the digests, and nothing that was deleted',
    withStore(async (store) => {
      const stored = await Promise.all(['a', 'bb', 'ccc', ''].map((text) => store.put(Buffer.from(text))));
      const byDigest = stored.toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
      assert.deepEqual(await listed(store), byDigest);
      assert.equal(await store.delete(stored[1]!.digest), true);
      assert.equal(await store.delete(stored[1]!.digest), false);
      assert.equal(await store.has(stored[1]!.digest), false);
      assert.equal(await store.has(stored[2]!.digest), true);
      const rest = byDigest.filter((blob) => blob !== stored[1]);
      assert.deepEqual(await listed(store), rest);
    }),
  );
}

function garbageCases(withStore: WithStore): void {
  it(
    'removes content that was not put since a time, and leaves what was put again',
    withStore(async (store) => {
      const { digest } = await store.put(HELLO);
      const storedAt = async () => (await gather<ListedBlob>(store.list()))[0]?.storedAt ?? 0;
      const first = await storedAt();
      assert.equal(await store.delete(digest, { storedBefore: first }), false);
      assert.equal(await store.has(digest), true);
      await store.put(inChunks(HELLO, [5]));
      assert.ok((await storedAt()) >= first);
      assert.equal(await store.delete(digest, { storedBefore: (await storedAt()) + 2_000 }), true);
      assert.equal(await store.has(digest), false);
      assert.equal(await store.delete(digest, { storedBefore: first }), false);
    }),
  );
}

function streamCases(withStore: WithStore): void {
  it(
    'stores nothing of a stream that fails',
    withStore(async (store) => {
      const failing = async function* (): AsyncGenerator<Uint8Array> {
        yield HELLO;
        throw new Error('the sender went away');
      };
      await assert.rejects(store.put(failing()), /the sender went away/);
      assert.deepEqual(await gather(store.list()), []);
      assert.equal(await store.has(digestOf(HELLO)), false);
    }),
  );

  it(
    'moves 256 MiB through without holding them in memory',
    withStore(async (store) => {
      const chunk = Buffer.alloc(1024 * 1024, 7);
      const chunks = async function* (): AsyncGenerator<Uint8Array> {
        for (let i = 0; i < 256; i++) yield chunk;
      };
      const before = process.memoryUsage().arrayBuffers;
      let peak = before;
      const { digest, bytes } = await store.put(chunks());
      let read = 0;
      for await (const part of await store.get(digest)) {
        read += part.length;
        peak = Math.max(peak, process.memoryUsage().arrayBuffers);
      }
      assert.equal(bytes, 256 * chunk.length);
      assert.equal(read, bytes);
      assert.ok(peak - before < bytes / 2, `buffers grew by ${peak - before} bytes`);
    }),
  );

  it(
    'offers the content as a local file that can be read at any place',
    withStore(async (store) => {
      const { digest, bytes } = await store.put(HELLO);
      const file = await open(await store.localPath(digest, { bytes }), 'r');
      try {
        const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 7);
        assert.equal(buffer.toString(), 'blob');
      } finally {
        await file.close();
      }
      await assert.rejects(store.localPath(digest, { bytes: bytes + 1 }), { code: blobErrors.corrupt.code });
    }),
  );
}

function refusalCases(withStore: WithStore): void {
  it(
    'says not-found for content that is not stored',
    withStore(async (store) => {
      const notFound = { code: blobErrors['not-found'].code };
      await assert.rejects(store.get(ABSENT), notFound);
      await assert.rejects(store.read(ABSENT), notFound);
      await assert.rejects(store.localPath(ABSENT), notFound);
      await assert.rejects(store.size(ABSENT), notFound);
      assert.equal(await store.has(ABSENT), false);
      assert.equal(await store.delete(ABSENT), false);
    }),
  );

  it(
    'refuses whatever is not a digest in every operation',
    withStore(async (store) => {
      const hex = ABSENT.slice(7);
      const smuggled = ['sha256:', `sha256:${hex.toUpperCase()}`, `sha256:../../${hex.slice(6)}`, `sha256:${hex}0`];
      for (const text of [...smuggled, `sha256:${hex.slice(1)}\0`, `sha256:${hex}\n`, `sha512:${hex}`, hex]) {
        const digest = text as Digest;
        const invalid = { code: blobErrors['invalid-digest'].code };
        await assert.rejects(store.get(digest), invalid);
        await assert.rejects(store.read(digest), invalid);
        await assert.rejects(store.localPath(digest), invalid);
        await assert.rejects(store.size(digest), invalid);
        await assert.rejects(store.has(digest), invalid);
        await assert.rejects(store.delete(digest), invalid);
      }
    }),
  );

  it(
    'refuses ranges outside the content, and to read more than the limit into memory',
    withStore(async (store) => {
      const { digest, bytes } = await store.put(HELLO);
      const invalid = { code: blobErrors['invalid-range'].code };
      await assert.rejects(store.get(digest, { start: bytes + 1 }), invalid);
      await assert.rejects(store.get(digest, { start: 0, end: bytes + 1 }), invalid);
      await assert.rejects(store.get(digest, { start: 3, end: 2 }), invalid);
      await assert.rejects(store.get(digest, { start: -1 }), invalid);
      await assert.rejects(store.get(digest, { start: 0.5 }), invalid);
      await assert.rejects(store.read(digest, { bytesMax: bytes - 1 }), { code: blobErrors['too-large'].code });
      assert.equal((await store.read(digest, { bytesMax: bytes })).length, bytes);
    }),
  );
}

async function* inChunks(content: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const bounds = [0, ...cuts.map((cut) => Math.min(cut, content.length)), content.length].sort((a, b) => a - b);
  for (let i = 1; i < bounds.length; i++) yield content.slice(bounds[i - 1], bounds[i]);
}

/** What is stored, without when. */
async function listed(store: BlobStore): Promise<{ digest: Digest; bytes: number }[]> {
  return (await gather(store.list())).map(({ digest, bytes }) => ({ digest, bytes }));
}

/** Everything that a stream yields. */
export async function gather<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await gather(stream));
}
