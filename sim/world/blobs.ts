import { type Digest, digestOf } from '#core/hash';
import { type BlobStore, blobErrors, type StoredBlob } from '#ports/blob-store';
import type { Process } from './process.ts';

/** The content of the one blob store of a world. It survives every process, and what is in it stays as it is. */
export type Blobs = Map<Digest, Uint8Array>;

const LOCAL = '/blobs/';

/** The digest of the content that a local path stands for. */
export function digestAt(path: string): Digest {
  return path.slice(LOCAL.length) as Digest;
}

/** The blob store as a process reaches it: slow at times, full at times, and gone with the process. */
export function blobsOf(process: Process, blobs: Blobs): BlobStore {
  const found = (digest: Digest): Uint8Array => {
    const bytes = blobs.get(digest);
    if (!bytes) throw blobErrors['not-found'](`there is no content ${digest}`);
    return bytes;
  };
  return {
    async put(content): Promise<StoredBlob> {
      const bytes = content instanceof Uint8Array ? content : await collect(content);
      await process.gate(() => 'a put of content');
      const { world } = process;
      if (world.chance(world.plan.blobsFull)) {
        world.fault('blob store full', process.name);
        throw blobErrors['no-space']('the blob store is full');
      }
      const digest = digestOf(bytes);
      blobs.set(digest, bytes);
      await process.gate(() => 'the answer of a put');
      return { digest, bytes: bytes.length };
    },
    async get(digest) {
      const bytes = await this.read(digest);
      return (async function* () {
        yield bytes;
      })();
    },
    async read(digest) {
      await process.gate(() => 'a read of content');
      return found(digest);
    },
    async localPath(digest) {
      await process.gate(() => 'a download of content');
      found(digest);
      return `${LOCAL}${digest}`;
    },
    async size(digest) {
      await process.gate(() => 'a look at content');
      return found(digest).length;
    },
    async has(digest) {
      await process.gate(() => 'a look for content');
      return blobs.has(digest);
    },
    async delete(digest) {
      await process.gate(() => 'a removal of content');
      return blobs.delete(digest);
    },
    async *list() {
      for (const [digest, bytes] of [...blobs].sort()) yield { digest, bytes: bytes.length, storedAt: 0 };
    },
  };
}

async function collect(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}
