/**
 * How many parts an export has, before anything is made of them: a part may be two bytes on the wire and a hundred in
 * memory, so that a body of an allowed size could keep the process busy for minutes.
 */
export const PARTS_MAX = 500_000;

/** Which fields of a message are messages themselves, by field number. */
type Shape = Readonly<Record<number, (() => Shape) | undefined>>;

const ANY: Shape = { 5: () => ({ 1: () => ANY }), 6: () => ({ 1: () => KEY_VALUE }) };
const KEY_VALUE: Shape = { 2: () => ANY };
const ofAttributes = (field: number): Shape => ({ [field]: () => KEY_VALUE });
const SPAN: Shape = { ...ofAttributes(9), 11: () => ofAttributes(3), 13: () => ofAttributes(4) };
const REQUEST: Shape = { 1: () => ({ 1: () => ofAttributes(1), 2: () => ({ 2: () => SPAN }) }) };

/** Nothing that is accepted is nested deeper: each level of a value is two messages. */
const LEVELS_MAX = 200;

/** Whether an export in protobuf has more parts than are taken. What is malformed is left to its decoder. */
export function hasTooManyParts(bytes: Buffer): boolean {
  return new Walker(bytes).count(REQUEST) > PARTS_MAX;
}

class Walker {
  readonly #bytes: Buffer;
  #at = 0;
  #parts = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  count(shape: Shape): number {
    this.#message(shape, this.#bytes.length, 0);
    return this.#parts;
  }

  #message(shape: Shape, end: number, level: number): void {
    while (this.#at < end && this.#parts <= PARTS_MAX) {
      const tag = this.#varint();
      switch (tag & 7) {
        case 0:
          this.#varint();
          break;
        case 1:
          this.#at += 8;
          break;
        case 2: {
          const length = this.#varint();
          const to = Math.min(end, this.#at + length);
          const inner = shape[tag >>> 3];
          if (inner) this.#parts += 1;
          if (inner && level < LEVELS_MAX) this.#message(inner(), to, level + 1);
          this.#at = to;
          break;
        }
        case 5:
          this.#at += 4;
          break;
        default:
          this.#at = end;
      }
    }
  }

  /** The lower 28 bits are enough for lengths of what is taken and for the fields that are known. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; this.#at < this.#bytes.length; shift += 7) {
      const byte = this.#bytes[this.#at] ?? 0;
      this.#at += 1;
      if (shift < 28) value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    return value;
  }
}

const [BRACE, BRACKET, COMMA] = [0x7b, 0x5b, 0x2c];

/** Whether JSON has more objects, lists and values than are taken. What its texts have of them counts along. */
export function hasTooManyTokens(bytes: Buffer): boolean {
  let tokens = 0;
  for (const byte of bytes) if (byte === BRACE || byte === BRACKET || byte === COMMA) tokens += 1;
  return tokens > 2 * PARTS_MAX;
}
