import type { Words } from './packed-numbers.ts';

const WORD_BYTES = 4;

/** What entries are written to, as bytes and as words. It is the same memory however often it grows. */
export class EntryMemory implements Words {
  readonly #usualBytes: number;
  bytes = Buffer.alloc(0);
  ints = new Int32Array(0);
  floats = new Float32Array(0);

  /** @param usualBytes What is there before more is needed. */
  constructor(usualBytes: number) {
    this.#usualBytes = usualBytes;
    this.#become(usualBytes);
  }

  /** Has at least `bytes` bytes, and what was in the first `kept` of them. */
  makeRoom(bytes: number, kept: number): void {
    if (bytes <= this.bytes.length) return;
    const before = this.bytes;
    this.#become(Math.max(bytes, 2 * before.length));
    this.bytes.set(before.subarray(0, kept));
  }

  /** Gives back what it needed beyond the usual; nothing is kept. */
  shrink(): void {
    if (this.bytes.length > this.#usualBytes) this.#become(this.#usualBytes);
  }

  #become(bytes: number): void {
    this.bytes = Buffer.allocUnsafeSlow(Math.ceil(bytes / WORD_BYTES) * WORD_BYTES);
    this.ints = new Int32Array(this.bytes.buffer);
    this.floats = new Float32Array(this.bytes.buffer);
  }
}
