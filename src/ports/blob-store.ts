import { defineErrors } from '#core/errors';
import { type Digest, digester } from '#core/hash';

/**
 * Immutable content, addressed by its SHA-256 digest: datasets, model files, artifacts.
 *
 * - Content is all there or not there at all: a `put` that is interrupted leaves nothing that can be read, and a `put`
 *   that has resolved survives a crash of the process and of the machine.
 * - Equal content is stored once; putting it again, also at the same time from several processes, is harmless.
 * - Memory use does not grow with the size of the content, except in {@link BlobStore.read}, which has a limit.
 * - The store does not know who refers to what. Whoever deletes has made sure that nothing does.
 * - A digest that is not `sha256:` and 64 lower-case hexadecimal digits is refused by every operation with
 *   `blob/invalid-digest`, before anything is touched.
 */
export interface BlobStore {
  /**
   * Stores `content` and returns its digest and length. Content that is there already counts as stored anew, so that
   * {@link delete} with a time leaves it alone. A chunk belongs to the store once it was taken: its sender does not
   * write to it any more. Fails with `blob/too-large` or `blob/no-space`.
   */
  put(content: Uint8Array | AsyncIterable<Uint8Array>): Promise<StoredBlob>;

  /**
   * The content as a stream. Fails with `blob/not-found`, and with `blob/invalid-range` for a range outside it. A whole
   * read is checked against the digest while it passes: of damaged content the last piece is held back and the stream
   * ends with `blob/corrupt`, so that nobody has it whole. A range cannot be checked.
   */
  get(digest: Digest, range?: ByteRange): Promise<AsyncIterable<Uint8Array>>;

  /**
   * Hands the content, or a range of it, to `take` piece by piece, with the checks and the errors of {@link get}. What
   * `take` fails with ends it. A piece is overwritten as soon as `take` has resolved, so that memory is used again.
   * Only a store that reads faster in this way has the method.
   */
  send?(digest: Digest, take: (piece: Uint8Array) => Promise<void>, range?: ByteRange): Promise<void>;

  /**
   * The whole content in memory, checked against its digest. Fails with `blob/not-found`, `blob/corrupt`, and with
   * `blob/too-large` past `bytesMax`, which is {@link BLOB_READ_BYTES_MAX} unless told otherwise.
   */
  read(digest: Digest, options?: { readonly bytesMax?: number }): Promise<Uint8Array>;

  /**
   * The path of a local file that holds the content, for libraries that open files themselves. The file is read-only
   * and belongs to the store: it is valid until the content is deleted. A remote store downloads and checks it first; a
   * local one returns its own file without reading it, and refuses it with `blob/corrupt` if `bytes` is not its length.
   */
  localPath(digest: Digest, expected?: { readonly bytes: number }): Promise<string>;

  /** The length of the content in bytes. Fails with `blob/not-found`. */
  size(digest: Digest): Promise<number>;

  has(digest: Digest): Promise<boolean>;

  /**
   * Removes the content. Tells whether it did. With `storedBefore`, in epoch milliseconds, content that was put at that
   * time or later stays: a `put` of content that is garbage and a removal of that garbage may come at the same time.
   */
  delete(digest: Digest, options?: { readonly storedBefore?: number }): Promise<boolean>;

  /**
   * Keeps content from being removed by anybody, whoever has the credentials of the store included, for as long as the
   * store was opened to. Tells whether it does: a store that locks nothing has no such method, or answers no. Doing it
   * again is harmless. {@link delete} answers no for content that is kept so. Fails with `blob/not-found`.
   */
  retain?(digest: Digest): Promise<boolean>;

  /** Everything stored, in the order of the digests. What comes or goes meanwhile may or may not be listed. */
  list(): AsyncIterable<ListedBlob>;
}

export interface StoredBlob {
  readonly digest: Digest;
  readonly bytes: number;
}

export interface ListedBlob extends StoredBlob {
  /** When the content was last put, in epoch milliseconds by the clock of the store, exact to the second. */
  readonly storedAt: number;
}

/** The bytes from `start` up to but without `end`; without `end`, up to the end of the content. */
export interface ByteRange {
  readonly start: number;
  readonly end?: number;
}

/** The largest content that {@link BlobStore.read} holds in memory, unless its caller says otherwise. */
export const BLOB_READ_BYTES_MAX = 64 * 1024 * 1024;

export const blobErrors = defineErrors('blob', {
  'invalid-digest': { status: 400, title: 'Not a digest' },
  'invalid-range': { status: 416, title: 'The range lies outside the content' },
  'invalid-grace': { status: 400, title: 'The grace time of a collection of garbage is too short' },
  'not-found': { status: 404, title: 'No such content' },
  corrupt: { status: 500, title: 'Stored content is damaged' },
  'too-large': { status: 413, title: 'Content is too large' },
  'no-space': { status: 507, title: 'The blob store is full' },
});

const DIGEST_PATTERN = /^sha256:[0-9a-f]{64}$/;

/** Throws `blob/invalid-digest` unless `text` is a digest. Every adapter calls it first, as digests become paths. */
export function assertDigest(text: string): asserts text is Digest {
  if (DIGEST_PATTERN.test(text)) return;
  const shown = JSON.stringify(String(text).slice(0, 80));
  throw blobErrors['invalid-digest'](`digest ${shown} is not 'sha256:' and 64 lower-case hexadecimal digits`);
}

/** The range as absolute bounds within `bytes`. Throws `blob/invalid-range` if it does not fit. */
export function resolveRange(range: ByteRange, bytes: number): { readonly start: number; readonly end: number } {
  const { start, end = bytes } = range;
  const fits = Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end && end <= bytes;
  if (!fits) throw blobErrors['invalid-range'](`range ${start}..${end} lies outside the ${bytes} bytes of the content`);
  return { start, end };
}

/**
 * Passes content on, checked against its digest. One piece is always held back, so that the last of damaged content
 * never leaves: the stream ends with `blob/corrupt` instead.
 */
export async function* verified(digest: Digest, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const hash = digester();
  let held: Uint8Array | undefined;
  for await (const chunk of content) {
    if (held) yield held;
    hash.update(chunk);
    held = chunk;
  }
  if (hash.digest() !== digest) {
    throw blobErrors.corrupt(
      `${digest} is damaged: its content does not have this digest; delete it and store it again`,
    );
  }
  if (held) yield held;
}
