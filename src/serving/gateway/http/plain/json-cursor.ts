/** The bytes between the values of JSON. */
export const OPEN = 0x7b;
export const CLOSE = 0x7d;
export const OPEN_LIST = 0x5b;
export const CLOSE_LIST = 0x5d;
export const COLON = 0x3a;
export const COMMA = 0x2c;

const QUOTE = 0x22;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const BACKSLASH = 0x5c;
const FIRST_PRINTED = 0x20;
const LAST_PRINTED = 0x7e;
const NULL = Buffer.from('null');
const NOTHING = Buffer.alloc(0);

/** Up to here a power of ten is exact in double precision. */
const SCALE_MAX = 22;
const POWERS = Array.from({ length: SCALE_MAX + 1 }, (_, i) => 10 ** i);

/**
 * Reads the plain half of JSON from bytes, value after value. Whatever is written in any other way, right or wrong, is
 * not read: a text with an escape or beyond ASCII, a number with an exponent or of more than some sixteen digits.
 */
export class JsonCursor {
  #bytes: Buffer = NOTHING;
  #at = 0;

  /** What `read` finds in these bytes, which are not kept. */
  over<Found>(bytes: Buffer, read: () => Found): Found {
    this.#bytes = bytes;
    this.#at = 0;
    const found = read();
    this.#bytes = NOTHING;
    return found;
  }

  /** Whether only white space is left. */
  get isAtEnd(): boolean {
    this.#skip();
    return this.#at === this.#bytes.length;
  }

  /** Passes white space and then this byte; stays before it, and says so, where another one comes. */
  passes(code: number): boolean {
    this.#skip();
    if (this.#bytes[this.#at] !== code) return false;
    this.#at += 1;
    return true;
  }

  /** Passes white space and then these bytes. */
  passesAll(expected: Buffer): boolean {
    this.#skip();
    const bytes = this.#bytes;
    const at = this.#at;
    for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
    this.#at = at + expected.length;
    return true;
  }

  /** A text of at most `lengthMax` characters, or null. */
  text(lengthMax: number): string | null | undefined {
    if (!this.passes(QUOTE)) return this.passesAll(NULL) ? null : undefined;
    const bytes = this.#bytes;
    const from = this.#at;
    let at = from;
    for (; bytes[at] !== QUOTE; at++) {
      const code = bytes[at] as number;
      if (!(code >= FIRST_PRINTED && code <= LAST_PRINTED) || code === BACKSLASH) return undefined;
    }
    this.#at = at + 1;
    return at - from <= lengthMax ? bytes.toString('latin1', from, at) : undefined;
  }

  /**
   * A number, or NaN for null. Its digits as a whole number and the power of ten that divides it are both exact, so
   * that the one division rounds as reading the decimal does (Clinger 1990, "How to read floating point numbers
   * accurately").
   */
  number(): number | undefined {
    this.#skip();
    const bytes = this.#bytes;
    const isNegative = bytes[this.#at] === MINUS;
    const from = isNegative ? this.#at + 1 : this.#at;
    let at = from;
    let code = bytes[at] as number;
    let digits = 0;
    for (; code >= ZERO && code <= NINE; code = bytes[++at] as number) digits = 10 * digits + (code - ZERO);
    if (at === from) return !isNegative && this.passesAll(NULL) ? Number.NaN : undefined;
    // JSON has no number that begins with a zero for nothing.
    if (bytes[from] === ZERO && at > from + 1) return undefined;
    let scale = 0;
    if (code === DOT) {
      const dot = at;
      for (code = bytes[++at] as number; code >= ZERO && code <= NINE; code = bytes[++at] as number) {
        digits = 10 * digits + (code - ZERO);
      }
      scale = at - dot - 1;
      if (scale === 0) return undefined;
    }
    // What is no digit, such as an exponent, is not passed, and ends the reading where a comma should come.
    if (digits > Number.MAX_SAFE_INTEGER || scale > SCALE_MAX) return undefined;
    this.#at = at;
    const value = digits / (POWERS[scale] as number);
    return isNegative ? -value : value;
  }

  #skip(): void {
    for (;;) {
      const code = this.#bytes[this.#at];
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at += 1;
    }
  }
}
