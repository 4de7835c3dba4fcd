import { RpcError, STATUS } from './status.ts';

/** A message as it came: the flag says that it is compressed. */
export interface RpcFrame {
  readonly compressed: boolean;
  readonly bytes: Buffer;
}

/** Counts bytes that are held; `take` throws when there is no room for more. */
export interface ByteBudget {
  take(bytes: number): void;
  give(bytes: number): void;
}

/** Of a message: whether it is compressed (1), and its length (4, big-endian). */
export const PREFIX_BYTES = 5;

/** Cuts what comes on a stream into messages. A message that came in one piece is not copied. */
export class MessageReader {
  readonly #bytesMax: number;
  readonly #budget: ByteBudget;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Bytes with which something can be done. */
  #needed = PREFIX_BYTES;

  constructor(bytesMax: number, budget: ByteBudget) {
    this.#bytesMax = bytesMax;
    this.#budget = budget;
  }

  /** Whether a message has begun that is not whole. */
  get isWithinMessage(): boolean {
    return this.#heldBytes > 0;
  }

  /**
   * Adds the messages that `chunk` ends to `frames`. Throws `RESOURCE_EXHAUSTED` for one past the limit as soon as its
   * length is known, and what the budget throws.
   */
  push(chunk: Buffer, frames: RpcFrame[]): void {
    if (this.#heldBytes + chunk.length < this.#needed) {
      this.#hold(chunk);
      return;
    }
    const bytes = this.#heldBytes === 0 ? chunk : Buffer.concat([...this.#held, chunk]);
    this.release();
    let at = 0;
    this.#needed = PREFIX_BYTES;
    while (bytes.length - at >= PREFIX_BYTES) {
      const flag = bytes[at] as number;
      const length = bytes.readUInt32BE(at + 1);
      if (flag > 1) throw new RpcError(STATUS.INTERNAL, `a message begins with ${flag}, expected 0 or 1`);
      if (length > this.#bytesMax) {
        const details = `a message has ${length} bytes, the limit is ${this.#bytesMax}`;
        throw new RpcError(STATUS.RESOURCE_EXHAUSTED, details);
      }
      const end = at + PREFIX_BYTES + length;
      if (end > bytes.length) {
        this.#needed = PREFIX_BYTES + length;
        break;
      }
      frames.push({ compressed: flag === 1, bytes: bytes.subarray(at + PREFIX_BYTES, end) });
      at = end;
    }
    if (at < bytes.length) this.#hold(bytes.subarray(at));
  }

  /** Gives back what is held. */
  release(): void {
    if (this.#heldBytes === 0) return;
    this.#budget.give(this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
  }

  #hold(chunk: Buffer): void {
    this.#budget.take(chunk.length);
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
  }
}
