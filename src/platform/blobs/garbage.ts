import { KedgeError } from '#core/errors';
import type { Digest } from '#core/hash';
import type { Database } from '#platform/db';
import { type BlobStore, blobErrors, type StoredBlob } from '#ports/blob-store';
import { digestsIn, referencesOf } from './references.ts';

export interface GarbageOptions {
  readonly db: Database;
  readonly blobs: BlobStore;
  /** Content that was put within this time is left alone: what refers to it may be about to be written. */
  readonly graceMs?: number;
  /** Only tells what would be removed. */
  readonly dryRun: boolean;
  readonly now: number;
}

export interface Garbage {
  /** Content that nothing refers to: removed, or in a dry run to be removed. */
  readonly removed: Amount;
  /** Content that something refers to. */
  readonly kept: Amount;
  /** Content that nothing refers to and that was put too recently. */
  readonly recent: Amount;
  /** The first of what was removed, up to {@link SHOWN_MAX}. */
  readonly examples: readonly StoredBlob[];
}

interface Amount {
  readonly blobs: number;
  readonly bytes: number;
}

const GRACE_MS = 24 * 3_600_000;
/** Below this the times of a remote store, and content that is put again, are not told apart safely. */
const GRACE_MS_MIN = 3_600_000;
const SHOWN_MAX = 20;
/** Manifests (code bundles, lists of segments) are smaller. */
const MANIFEST_BYTES_MAX = 32 * 1024 * 1024;

/**
 * Removes content that nothing refers to: of uploads that broke off, of paths that were deleted or replaced. What
 * refers to content is any text of any table (see `references.ts`), and content that such a text names may list more.
 *
 * Content is listed after the references are read, and removed only if it was put before the grace time, which the
 * store checks at the moment of the removal; so what is put meanwhile is never taken. It holds about 200 bytes of
 * memory a reference. Errors: `blob/invalid-grace`.
 */
export async function collectGarbage(options: GarbageOptions): Promise<Garbage> {
  const { db, blobs, dryRun, now, graceMs = GRACE_MS } = options;
  if (!Number.isFinite(graceMs) || graceMs < GRACE_MS_MIN) {
    throw blobErrors['invalid-grace'](`the grace time is ${graceMs} ms; it is at least ${GRACE_MS_MIN} ms`);
  }
  const storedBefore = now - graceMs;
  const marked = await mark(db, blobs);
  const removed = counter();
  const kept = counter();
  const recent = counter();
  const examples: StoredBlob[] = [];
  for await (const blob of blobs.list()) {
    if (marked.has(blob.digest)) kept.add(blob);
    else if (blob.storedAt >= storedBefore) recent.add(blob);
    else if (dryRun || (await blobs.delete(blob.digest, { storedBefore }))) {
      removed.add(blob);
      if (examples.length < SHOWN_MAX) examples.push({ digest: blob.digest, bytes: blob.bytes });
    }
  }
  return { removed: removed.amount(), kept: kept.amount(), recent: recent.amount(), examples };
}

/** Every digest that a row refers to, and every one that the content of a manifest refers to, however deep. */
async function mark(db: Database, blobs: BlobStore): Promise<ReadonlySet<Digest>> {
  const { digests, manifests } = await referencesOf(db);
  const marked = new Set(digests);
  const waiting = [...manifests];
  for (let digest = waiting.pop(); digest; digest = waiting.pop()) {
    for (const listed of await listedIn(blobs, digest)) {
      if (marked.has(listed)) continue;
      marked.add(listed);
      waiting.push(listed);
    }
  }
  return marked;
}

/** The digests in content that is JSON. Anything else, and a digest of something that is not stored, lists nothing. */
async function listedIn(blobs: BlobStore, digest: Digest): Promise<Digest[]> {
  try {
    if ((await blobs.size(digest)) > MANIFEST_BYTES_MAX) return [];
    const chunks: Uint8Array[] = [];
    for await (const chunk of await blobs.get(digest)) {
      // The first character tells: models and tables are not read to the end.
      if (chunks.length === 0 && chunk[0] !== BRACE && chunk[0] !== BRACKET) return [];
      chunks.push(chunk);
    }
    return digestsIn(Buffer.concat(chunks).toString('latin1'));
  } catch (error) {
    // Of damaged content nobody knows what it listed: that failure ends the collection before anything is removed.
    if (error instanceof KedgeError && error.code === blobErrors['not-found'].code) return [];
    throw error;
  }
}

const BRACE = 0x7b;
const BRACKET = 0x5b;

function counter() {
  let count = 0;
  let bytes = 0;
  return {
    add(blob: StoredBlob): void {
      count += 1;
      bytes += blob.bytes;
    },
    amount: (): Amount => ({ blobs: count, bytes }),
  };
}
