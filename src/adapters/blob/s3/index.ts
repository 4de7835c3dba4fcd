import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { type Digest, digestOf } from '#core/hash';
import { noted } from '#core/streamed-memory';
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
import { abortAbandoned, openClient, requireBucket, requireLock } from './client.ts';
import { isAbsent, translated } from './failures.ts';
import { type ObjectLock, type S3Location, s3Location } from './location.ts';
import { lockObject, removeVersions } from './retention.ts';

export { s3Errors, s3Location } from './location.ts';

export interface S3BlobStoreOptions {
  /** `s3://<bucket>[/<prefix>][?endpoint=<url>&region=<name>&lock=compliance:<days>]`. */
  readonly location: string;
  /**
   * A store on this machine. Large content is gathered there before it is sent, because its digest is its key, and
   * {@link BlobStore.localPath} keeps its copies there.
   */
  readonly cache: BlobStore;
  /** From where other S3 clients take them, unless given. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Larger content is sent in parts, which are repeated singly when they fail. 256 MiB unless given. */
  readonly partsAboveBytes?: number;
}

/** Content up to this is sent from memory; larger content from a file. */
const IN_MEMORY_BYTES_MAX = 8 * 1024 * 1024;
const PARTS_ABOVE_BYTES = 256 * 1024 * 1024;
/** The least that S3 takes as a part. Every part is a buffer, so that larger ones cost memory. */
const PART_BYTES_MIN = 5 * 1024 * 1024;
const PARTS_MAX = 10_000;
const PARTS_AT_ONCE = 2;
const STREAM_CHUNK_BYTES = 128 * 1024;
const ATTEMPTS_MAX = 4;
const PAUSE_MS = 200;
/** Content that was put this recently is not marked again when it is put again. */
const FRESH_MS = 15 * 60_000;
/** The largest object that S3 copies at once. */
const COPY_BYTES_MAX = 5 * 1024 ** 3;

/**
 * Opens a blob store in a bucket. A bucket that is not there, or that the credentials do not open, fails here with
 * `s3/unusable`; a server that does not answer fails the operations that need it, so that what is kept on this machine
 * can be used meanwhile.
 */
export async function openS3BlobStore(options: S3BlobStoreOptions): Promise<BlobStore & { close(): void }> {
  const location = s3Location(options.location);
  const client = openClient(location, options.credentials);
  await requireBucket(client, location);
  await requireLock(client, location);
  await abortAbandoned(client, location);
  return new S3BlobStore(client, location, options);
}

interface Found {
  readonly bytes: number;
  readonly storedAt: number;
  /** Nobody can remove it now, so it need not be marked as put anew. */
  readonly isLocked: boolean;
}

/** Content lies under `<prefix>ab/cdef…`, the layout of the store in a folder: a folder can be copied to a bucket. */
class S3BlobStore implements BlobStore {
  readonly #client: S3Client;
  readonly #location: S3Location;
  readonly #cache: BlobStore;
  readonly #partsAboveBytes: number;
  readonly retain?: (digest: Digest) => Promise<boolean>;

  constructor(client: S3Client, location: S3Location, { cache, partsAboveBytes }: S3BlobStoreOptions) {
    this.#client = client;
    this.#location = location;
    this.#cache = cache;
    this.#partsAboveBytes = partsAboveBytes ?? PARTS_ABOVE_BYTES;
    const { lock } = location;
    if (lock) this.retain = (digest) => this.#retain(digest, lock);
  }

  async put(content: Uint8Array | AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    const chunks = content instanceof Uint8Array ? [content][Symbol.iterator]() : content[Symbol.asyncIterator]();
    const head: Uint8Array[] = [];
    let bytes = 0;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
      head.push(next.value);
      bytes += next.value.length;
      if (bytes > IN_MEMORY_BYTES_MAX) return this.#putLarge(continued(head, chunks));
    }
    return this.#putSmall(Buffer.concat(head));
  }

  async get(digest: Digest, range?: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    const bytes = await this.size(digest);
    if (!range) return verified(digest, this.#stream(digest));
    const { start, end } = resolveRange(range, bytes);
    return start === end ? Readable.from([]) : this.#stream(digest, `bytes=${start}-${end - 1}`);
  }

  async read(digest: Digest, { bytesMax = BLOB_READ_BYTES_MAX } = {}): Promise<Uint8Array> {
    const bytes = await this.size(digest);
    if (bytes > bytesMax) {
      throw blobErrors['too-large'](`${digest} has ${bytes} bytes, the limit of this read is ${bytesMax}`);
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of verified(digest, this.#stream(digest))) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async localPath(digest: Digest, expected?: { readonly bytes: number }): Promise<string> {
    const isCached = await this.#cache.has(digest);
    const bytes = await this.size(digest).catch(async (error: unknown) => {
      // Without an answer of the server, a copy is as good as the content, which never changes under its digest.
      if (!isCached || isAnswer(error)) throw error;
      return this.#cache.size(digest);
    });
    if (expected && bytes !== expected.bytes) {
      throw blobErrors.corrupt(`${digest} has ${bytes} bytes instead of ${expected.bytes}`);
    }
    if (!isCached) await this.#cache.put(verified(digest, this.#stream(digest)));
    return this.#cache.localPath(digest, { bytes });
  }

  async size(digest: Digest): Promise<number> {
    const found = await this.#find(digest);
    if (!found) throw blobErrors['not-found'](`${digest} is not stored`);
    return found.bytes;
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.#find(digest)) !== undefined;
  }

  async delete(digest: Digest, { storedBefore }: { readonly storedBefore?: number } = {}): Promise<boolean> {
    const found = await this.#find(digest);
    if (!found || (storedBefore !== undefined && found.storedAt >= storedBefore)) return false;
    if (this.#location.lock) {
      if (!(await translated(removeVersions(this.#client, this.#at(digest))))) return false;
    } else await translated(this.#client.send(new DeleteObjectCommand(this.#at(digest))));
    await this.#cache.delete(digest);
    return true;
  }

  async #retain(digest: Digest, lock: ObjectLock): Promise<boolean> {
    await lockObject(this.#client, this.#at(digest), lock).catch((error: unknown) => {
      throw isAbsent(error) ? blobErrors['not-found'](`${digest} is not stored`) : error;
    });
    return true;
  }

  async *list(): AsyncGenerator<ListedBlob> {
    const { bucket: Bucket, prefix: Prefix } = this.#location;
    for await (const page of paginateListObjectsV2({ client: this.#client }, { Bucket, Prefix })) {
      for (const { Key = '', Size: bytes = 0, LastModified } of page.Contents ?? []) {
        const [, shard, rest] = /^([0-9a-f]{2})\/([0-9a-f]{62})$/.exec(Key.slice(Prefix.length)) ?? [];
        if (shard && rest) yield { digest: `sha256:${shard}${rest}`, bytes, storedAt: LastModified?.getTime() ?? 0 };
      }
    }
  }

  close(): void {
    this.#client.destroy();
  }

  async #putSmall(content: Buffer): Promise<StoredBlob> {
    const blob = { digest: digestOf(content), bytes: content.length };
    if (await this.#holdsAnew(blob)) return blob;
    const command = new PutObjectCommand({ ...this.#at(blob.digest), Body: content, ...checksumOf(blob) });
    await translated(this.#client.send(command));
    return blob;
  }

  /** The object appears when its upload is completed and not before, whatever becomes of this process. */
  async #putLarge(content: AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    const blob = await this.#cache.put(content);
    if (await this.#holdsAnew(blob)) return blob;
    await translated(blob.bytes > this.#partsAboveBytes ? this.#sendInParts(blob) : this.#sendFile(blob));
    return blob;
  }

  /** Streamed, so that its size costs no memory. The client repeats no request whose body is a stream. */
  async #sendFile(blob: StoredBlob): Promise<void> {
    const path = await this.#cache.localPath(blob.digest, { bytes: blob.bytes });
    for (let attempt = 1; ; attempt++) {
      const file = createReadStream(path, { highWaterMark: STREAM_CHUNK_BYTES });
      const Body = Readable.from(noted(file), { objectMode: false });
      try {
        const command = { ...this.#at(blob.digest), Body, ContentLength: blob.bytes, ...checksumOf(blob) };
        await this.#client.send(withPayloadHash(new PutObjectCommand(command), blob.digest));
        return;
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || isAnswer(error)) throw error;
        await setTimeout(attempt * PAUSE_MS);
      } finally {
        Body.destroy();
      }
    }
  }

  async #sendInParts({ digest, bytes }: StoredBlob): Promise<void> {
    const upload = new Upload({
      client: this.#client,
      params: { ...this.#at(digest), Body: Readable.from(await this.#cache.get(digest)) },
      partSize: Math.max(PART_BYTES_MIN, Math.ceil(bytes / PARTS_MAX)),
      queueSize: PARTS_AT_ONCE,
    });
    await upload.done();
  }

  /** An object of another length is damaged, and is replaced by the content that is being put. */
  async #holdsAnew({ digest, bytes }: StoredBlob): Promise<boolean> {
    const found = await this.#find(digest);
    if (found?.bytes !== bytes) return false;
    if (found.isLocked || Date.now() - found.storedAt < FRESH_MS) return true;
    if (bytes > COPY_BYTES_MAX) return false;
    // Copied onto itself: that is how an object gets a new time.
    const { Bucket, Key } = this.#at(digest);
    const command = new CopyObjectCommand({
      Bucket,
      Key,
      CopySource: `${Bucket}/${Key}`,
      MetadataDirective: 'REPLACE',
      Metadata: { 'kedge-put': new Date().toISOString() },
    });
    return this.#client.send(command).then(
      () => true,
      (error: unknown) => {
        if (isAbsent(error)) return false;
        throw error;
      },
    );
  }

  async #find(digest: Digest): Promise<Found | undefined> {
    try {
      const head = await this.#client.send(new HeadObjectCommand(this.#at(digest)));
      const isLocked = (head.ObjectLockRetainUntilDate?.getTime() ?? 0) > Date.now();
      return { bytes: head.ContentLength ?? 0, storedAt: head.LastModified?.getTime() ?? 0, isLocked };
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /** Asks for the content when it is read for the first time: what nobody reads holds no connection. */
  async *#stream(digest: Digest, range?: string): AsyncGenerator<Uint8Array> {
    const command = new GetObjectCommand({ ...this.#at(digest), ...(range === undefined ? {} : { Range: range }) });
    const { Body } = await this.#client.send(command).catch((error: unknown) => {
      throw isAbsent(error) ? blobErrors['not-found'](`${digest} was deleted meanwhile`) : error;
    });
    if (Body) yield* noted(Body as AsyncIterable<Uint8Array>);
  }

  #at(digest: Digest): { readonly Bucket: string; readonly Key: string } {
    assertDigest(digest);
    const { bucket, prefix } = this.#location;
    return { Bucket: bucket, Key: `${prefix}${digest.slice(7, 9)}/${digest.slice(9)}` };
  }
}

/** The server refuses content that has another digest. */
function checksumOf({ digest }: StoredBlob): { readonly ChecksumSHA256: string } {
  return { ChecksumSHA256: Buffer.from(hexOf(digest), 'hex').toString('base64') };
}

/** The signature covers the content, too: its hash is known, though the content of a stream is not. */
function withPayloadHash(command: PutObjectCommand, digest: Digest): PutObjectCommand {
  command.middlewareStack.add(
    (next) => (args) => {
      (args.request as HttpRequest).headers['x-amz-content-sha256'] = hexOf(digest);
      return next(args);
    },
    { step: 'build', name: 'payloadHash' },
  );
  return command;
}

function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

interface HttpRequest {
  readonly headers: Record<string, string>;
}

type Chunks = Iterator<Uint8Array> | AsyncIterator<Uint8Array>;

/** What was taken from an iterator, and then the rest of it. An early end is told to the iterator. */
async function* continued(head: Uint8Array[], rest: Chunks): AsyncGenerator<Uint8Array> {
  try {
    for (let chunk = head.shift(); chunk; chunk = head.shift()) yield chunk;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** Whether the server answered, rather than nobody. */
function isAnswer(error: unknown): boolean {
  const { $metadata, status } = error as { $metadata?: { httpStatusCode?: number }; status?: number };
  return ($metadata?.httpStatusCode ?? status ?? 0) >= 400 && ($metadata?.httpStatusCode ?? 0) < 500;
}
