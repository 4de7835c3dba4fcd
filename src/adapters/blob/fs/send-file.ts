import type { FileHandle } from 'node:fs/promises';
import { type Digest, digester } from '#core/hash';

/** Of one read. A turn of the thread pool and of the connection costs as much for a small piece as for a large one. */
const PIECE_BYTES = 512 * 1024;
/** So many files are sent with large pieces at a time; those beyond with small ones, so that memory has a bound. */
const LARGE_AT_ONCE = 16;
const SMALL_PIECE_BYTES = 64 * 1024;
/** One is read, one is hashed or held back, one is on its way. */
const BUFFERS = 3;

export interface FileContent {
  readonly file: FileHandle;
  readonly start: number;
  readonly end: number;
  /** What a whole file has to be; a range cannot be checked. */
  readonly expected: Digest | undefined;
}

let largeNow = 0;

/**
 * Hands a file over piece by piece, in a few buffers that are used again as soon as `take` has resolved: fresh ones for
 * each piece cost more than reading, hashing and sending it. The next piece is read meanwhile. The last one leaves only
 * if the content has the digest that is expected; tells whether it did.
 */
export async function sendFile(
  { file, start, end, expected }: FileContent,
  take: (piece: Uint8Array) => Promise<void>,
): Promise<boolean> {
  const isLarge = largeNow < LARGE_AT_ONCE;
  if (isLarge) largeNow += 1;
  const pieceBytes = Math.min(isLarge ? PIECE_BYTES : SMALL_PIECE_BYTES, end - start);
  const buffers: Buffer[] = [];
  const read = (i: number, position: number): Promise<Buffer> => {
    const buffer = buffers[i % BUFFERS] ?? Buffer.allocUnsafeSlow(pieceBytes);
    buffers[i % BUFFERS] = buffer;
    return handled(fill(file, buffer.subarray(0, Math.min(pieceBytes, end - position)), position));
  };
  const hash = expected === undefined ? undefined : digester();
  let reading: Promise<Buffer> = Promise.resolve(Buffer.alloc(0));
  let sending: Promise<void> = Promise.resolve();
  try {
    let held: Buffer | undefined;
    reading = read(0, start);
    for (let i = 0, at = start; at < end; i++) {
      const piece = await reading;
      if (piece.length === 0) return false;
      at += piece.length;
      // The piece before the one that is held back has left now, so the next may be read into its buffer.
      await sending;
      if (at < end) reading = read(i + 1, at);
      if (held) sending = handled(take(held));
      hash?.update(piece);
      held = piece;
    }
    await sending;
    if (hash && hash.digest() !== expected) return false;
    if (held) await take(held);
    return true;
  } finally {
    if (isLarge) largeNow -= 1;
    // The file is closed after this.
    await Promise.allSettled([reading, sending]);
  }
}

/** Reads until the buffer is full or the file ends. */
async function fill(file: FileHandle, buffer: Buffer, position: number): Promise<Buffer> {
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, position + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

/** A promise whose failure is met later, and is nobody's until then. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
