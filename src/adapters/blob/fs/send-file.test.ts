import assert from 'node:assert/strict';
import { chmod, mkdtemp, open, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { Digest } from '#core/hash';
import { type BlobStore, type ByteRange, blobErrors } from '#ports/blob-store';
import { openFsBlobStore } from './index.ts';

const PIECE = 512 * 1024;

async function openStore(t: TestContext): Promise<BlobStore> {
  const root = await mkdtemp(join(tmpdir(), 'kedge-blob-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  return openFsBlobStore({ root });
}

/** Bytes that differ from piece to piece. */
function contentOf(length: number): Buffer {
  const content = Buffer.alloc(length);
  for (let i = 0; i < length; i++) content[i] = (i * 31) ^ (i >> 9);
  return content;
}

/** What a slow taker got, looking at each piece only when it is about to give it back. */
async function taken(store: BlobStore, digest: Digest, range?: ByteRange): Promise<Buffer> {
  const pieces: Buffer[] = [];
  await store.send?.(
    digest,
    async (piece) => {
      for (let turns = pieces.length % 3; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      pieces.push(Buffer.from(piece));
    },
    range,
  );
  return Buffer.concat(pieces);
}

test('content is handed over whole and in order, and no piece is overwritten before it was taken', async (t) => {
  const store = await openStore(t);
  for (const length of [0, 1, PIECE - 1, PIECE, PIECE + 1, 4 * PIECE, 5 * PIECE + 7]) {
    const content = contentOf(length);
    const { digest } = await store.put(content);
    assert.ok((await taken(store, digest)).equals(content), `${length} bytes`);
  }
});

test('any range is handed over, also while many others are', async (t) => {
  const store = await openStore(t);
  const content = contentOf(3 * PIECE + 5);
  const { digest } = await store.put(content);
  const bounds = fc.tuple(fc.nat({ max: content.length }), fc.nat({ max: content.length }));
  await fc.assert(
    fc.asyncProperty(fc.array(bounds, { minLength: 1, maxLength: 20 }), async (many) => {
      const ranges = many.map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));
      const parts = await Promise.all(ranges.map((range) => taken(store, digest, range)));
      for (const [i, { start, end }] of ranges.entries()) assert.ok(parts[i]?.equals(content.subarray(start, end)));
    }),
    { numRuns: 10 },
  );
  const beyond = { start: 0, end: content.length + 1 };
  await assert.rejects(taken(store, digest, beyond), { code: blobErrors['invalid-range'].code });
});

test('of damaged or cut content the last piece is held back', async (t) => {
  const store = await openStore(t);
  for (const damage of ['changed', 'cut'] as const) {
    const content = contentOf(2 * PIECE + (damage === 'cut' ? 11 : 10));
    const { digest } = await store.put(content);
    const path = await store.localPath(digest);
    await chmod(path, 0o600);
    if (damage === 'cut') await truncate(path, 2 * PIECE + 3);
    else {
      const file = await open(path, 'r+');
      await file.write(Buffer.from([(content[5] ?? 0) ^ 1]), 0, 1, 5);
      await file.close();
    }
    let bytes = 0;
    const sending = store.send?.(digest, async (piece) => {
      bytes += piece.length;
    });
    await assert.rejects(sending ?? Promise.resolve(), { code: blobErrors.corrupt.code, message: new RegExp(digest) });
    assert.equal(bytes, 2 * PIECE, damage);
  }
});

test('a taker that fails ends it, and content that is not there is told before anything is taken', async (t) => {
  const store = await openStore(t);
  const { digest } = await store.put(contentOf(4 * PIECE));
  let pieces = 0;
  const sending = store.send?.(digest, async () => {
    pieces += 1;
    if (pieces === 2) throw new RangeError('enough');
  });
  await assert.rejects(sending ?? Promise.resolve(), new RangeError('enough'));
  assert.equal(pieces, 2);
  await store.delete(digest);
  await assert.rejects(taken(store, digest), { code: blobErrors['not-found'].code });
});
