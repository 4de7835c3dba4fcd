import { createReadStream } from 'node:fs';
import { chmod, mkdir, open, readdir, readFile, stat, unlink, utimes } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorCode } from '#core/errors';
import { type Digest, digester, digestOf } from '#core/hash';
import { noted, notePassed } from '#core/streamed-memory';
import {
  assertDigest,
  BLOB_READ_BYTES_MAX,
  type BlobStore,
  type ByteRange,
  blobErrors,
  type ListedBlob,
  resolveRange,
  type StoredBlob,
  verified,
} from '#ports/blob-store';
import { sendFile } from './send-file.ts';
import { removeLeftovers, removeUnlessNewer, writeTemporary } from './temporary.ts';

export interface FsBlobStoreOptions {
  /** The folder of the store. It is made if it does not exist, and belongs to the store alone. */
  readonly root: string;
  /** The largest content that `put` accepts. 64 GiB by default. */
  readonly blobBytesMax?: number;
}

const BLOB_BYTES_MAX = 64 * 1024 ** 3;
/** Of one read. Larger ones cost fewer turns of the thread pool, but leave more memory for the collector to find. */
const STREAM_CHUNK_BYTES = 128 * 1024;

/** Opens a blob store in a folder and removes what interrupted writes left there. */
export async function openFsBlobStore(options: FsBlobStoreOptions): Promise<BlobStore> {
  const root = resolve(options.root);
  await mkdir(root, { recursive: true, mode: 0o700 });
  await removeLeftovers(join(root, 'tmp'));
  return new FsBlobStore(root, options.blobBytesMax ?? BLOB_BYTES_MAX);
}

/**
 * Content lives in `<root>/ab/cdef…`, named by the hexadecimal digits of its digest; a write in progress lives in
 * `<root>/tmp`. Names are built from checked digests only.
 */
class FsBlobStore implements BlobStore {
  readonly #root: string;
  readonly #blobBytesMax: number;

  constructor(root: string, blobBytesMax: number) {
    this.#root = root;
    this.#blobBytesMax = blobBytesMax;
  }

  async put(content: Uint8Array | AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    if (content instanceof Uint8Array) {
      this.#assertFits(content.length);
      const known = { digest: digestOf(content), bytes: content.length };
      if (await this.#holdsAnew(known)) return known;
    }
    const hash = digester();
    let bytes = 0;
    const counted = async function* (this: FsBlobStore): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunksOf(content)) {
        bytes += chunk.length;
        this.#assertFits(bytes);
        hash.update(chunk);
        yield chunk;
        notePassed(chunk.length);
      }
    };
    const temporary = await writeTemporary(join(this.#root, 'tmp'), counted.call(this));
    try {
      const blob = { digest: hash.digest(), bytes };
      if (!(await this.#holdsAnew(blob))) {
        await chmod(temporary.path, 0o400);
        await temporary.publish(this.#path(blob.digest));
      }
      return blob;
    } finally {
      await temporary.discard();
    }
  }

  async get(digest: Digest, range?: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    const path = this.#path(digest);
    const bytes = await this.size(digest);
    if (!range) return verified(digest, this.#stream(digest, path));
    const { start, end } = resolveRange(range, bytes);
    return start === end ? emptyStream() : this.#stream(digest, path, { start, end: end - 1 });
  }

  async send(digest: Digest, take: (piece: Uint8Array) => Promise<void>, range?: ByteRange): Promise<void> {
    const file = await this.#orNotFound(digest, open(this.#path(digest)));
    try {
      const { size } = await file.stat();
      const bounds = range ? resolveRange(range, size) : { start: 0, end: size };
      const isWhole = await sendFile({ file, ...bounds, expected: range ? undefined : digest }, take);
      if (!isWhole) throw corrupt(digest, 'its content does not have this digest');
    } finally {
      await file.close();
    }
  }

  async read(digest: Digest, { bytesMax = BLOB_READ_BYTES_MAX } = {}): Promise<Uint8Array> {
    const bytes = await this.size(digest);
    if (bytes > bytesMax) {
      throw blobErrors['too-large'](`${digest} has ${bytes} bytes, the limit of this read is ${bytesMax}`);
    }
    const content = await this.#orNotFound(digest, readFile(this.#path(digest)));
    if (digestOf(content) !== digest) throw corrupt(digest, 'its content does not have this digest');
    return content;
  }

  async localPath(digest: Digest, expected?: { readonly bytes: number }): Promise<string> {
    const bytes = await this.size(digest);
    if (expected && bytes !== expected.bytes) {
      throw corrupt(digest, `its file has ${bytes} bytes instead of ${expected.bytes}`);
    }
    return this.#path(digest);
  }

  async size(digest: Digest): Promise<number> {
    const { size } = await this.#orNotFound(digest, stat(this.#path(digest)));
    return size;
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.#fileIfAny(digest)) !== undefined;
  }

  async delete(digest: Digest, options: { readonly storedBefore?: number } = {}): Promise<boolean> {
    const path = this.#path(digest);
    try {
      const { storedBefore } = options;
      if (storedBefore !== undefined) return await removeUnlessNewer(path, join(this.#root, 'tmp'), storedBefore);
      await unlink(path);
      return true;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  async *list(): AsyncGenerator<ListedBlob> {
    const shards = (await readdir(this.#root)).filter((name) => /^[0-9a-f]{2}$/.test(name)).sort();
    for (const shard of shards) {
      for (const rest of (await readdir(join(this.#root, shard))).sort()) {
        const digest: Digest = `sha256:${shard}${rest}`;
        const file = /^[0-9a-f]{62}$/.test(rest) ? await this.#fileIfAny(digest) : undefined;
        if (file) yield { digest, ...file };
      }
    }
  }

  #path(digest: Digest): string {
    assertDigest(digest);
    return join(this.#root, digest.slice(7, 9), digest.slice(9));
  }

  #assertFits(bytes: number): void {
    if (bytes <= this.#blobBytesMax) return;
    throw blobErrors['too-large'](`the content has more than ${this.#blobBytesMax} bytes, the limit of this store`);
  }

  /**
   * Marks content that is there as stored now. The mark comes before the look, so that content which a removal of
   * garbage takes away in between is found to be gone. A file of another length is damaged and will be replaced.
   */
  async #holdsAnew({ digest, bytes }: StoredBlob): Promise<boolean> {
    const now = new Date();
    try {
      await utimes(this.#path(digest), now, now);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return false;
      throw error;
    }
    return (await this.#fileIfAny(digest))?.bytes === bytes;
  }

  async #fileIfAny(digest: Digest): Promise<{ bytes: number; storedAt: number } | undefined> {
    try {
      const { size, mtimeMs } = await stat(this.#path(digest));
      return { bytes: size, storedAt: Math.floor(mtimeMs) };
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async *#stream(
    digest: Digest,
    path: string,
    bounds?: { readonly start: number; readonly end: number },
  ): AsyncGenerator<Uint8Array> {
    const stream = createReadStream(path, { highWaterMark: STREAM_CHUNK_BYTES, ...bounds });
    try {
      yield* noted(stream as AsyncIterable<Uint8Array>);
    } catch (error) {
      throw errorCode(error) === 'ENOENT' ? blobErrors['not-found'](`${digest} was deleted meanwhile`) : error;
    }
  }

  async #orNotFound<T>(digest: Digest, operation: Promise<T>): Promise<T> {
    try {
      return await operation;
    } catch (error) {
      throw errorCode(error) === 'ENOENT' ? blobErrors['not-found'](`${digest} is not stored`) : error;
    }
  }
}

async function* emptyStream(): AsyncGenerator<Uint8Array> {}

async function* chunksOf(content: Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (content instanceof Uint8Array) yield content;
  else yield* content;
}

function corrupt(digest: Digest, what: string): Error {
  return blobErrors.corrupt(`${digest} is damaged: ${what}; delete it and store it again`);
}
