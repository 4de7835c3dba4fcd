/** Of content, after which the memory of what has passed is freed. */
const COLLECT_EVERY_BYTES = 16 * 1024 * 1024;

let passed = 0;

/**
 * Tells that a piece of some content has passed. Pieces lie outside of the heap, and are freed when the few small
 * objects that hold them are collected. These fill no young generation, so V8 would look through the whole heap for
 * them each time some fifty megabytes wait. A process that was started with `--expose-gc` collects the young ones
 * instead, which takes about a millisecond; in any other this does nothing.
 */
export function notePassed(bytes: number): void {
  passed += bytes;
  if (passed < COLLECT_EVERY_BYTES) return;
  passed = 0;
  globalThis.gc?.({ type: 'minor' });
}

/** The same content, with each piece noted once it is done with. */
export async function* noted(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of content) {
    const { length } = piece;
    yield piece;
    notePassed(length);
  }
}
