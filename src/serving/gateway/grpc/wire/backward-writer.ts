const VARINT = 0;
const EIGHT_BYTES = 1;
const LENGTH_DELIMITED = 2;
/** Characters of a text, or numbers of a tensor, that are written faster here than by a call of the platform. */
export const SHORT = 64;
/** Of a tag, a length or a 64-bit number. */
export const VARINT_BYTES_MAX = 10;

/**
 * Writes the encoding of protobuf from its end to its beginning: the length of a message stands before it, and is known
 * once it is written. Fields are written in the reverse of the order in which they are to be read.
 */
export class BackwardWriter {
  readonly #bytes: Buffer;
  #at: number;

  /** `bytesMax` is what all that is written takes at most. */
  constructor(bytesMax: number) {
    this.#bytes = Buffer.allocUnsafe(bytesMax);
    this.#at = bytesMax;
  }

  /** How many bytes are written. */
  get length(): number {
    return this.#bytes.length - this.#at;
  }

  text(field: number, text: string): void {
    if (text.length <= SHORT && this.#ascii(text)) {
      this.#delimit(field, text.length);
      return;
    }
    const length = Buffer.byteLength(text);
    this.#at -= length;
    this.#bytes.write(text, this.#at, 'utf8');
    this.#delimit(field, length);
  }

  /** Numbers of 32 bits as the bytes of a tensor. */
  floats(field: number, values: Float32Array): void {
    for (let i = values.length - 1; i >= 0; i--) {
      this.#at -= 4;
      this.#bytes.writeFloatLE(values[i] as number, this.#at);
    }
    this.#delimit(field, 4 * values.length);
  }

  raw(field: number, bytes: Uint8Array): void {
    this.#at -= bytes.length;
    this.#bytes.set(bytes, this.#at);
    this.#delimit(field, bytes.length);
  }

  double(field: number, value: number): void {
    this.#at -= 8;
    this.#bytes.writeDoubleLE(value, this.#at);
    this.#varint((field << 3) | EIGHT_BYTES);
  }

  int64(field: number, value: number): void {
    this.whole(value);
    this.#varint((field << 3) | VARINT);
  }

  /** A whole number that JavaScript tells apart, without the tag of its field. */
  whole(value: number): void {
    if (value >= 0 && value < 2 ** 31) this.#varint(value);
    else this.#wide(BigInt.asUintN(64, BigInt(value)));
  }

  /** Makes what was written since `length` was this a field. */
  finish(field: number, length: number): void {
    this.#delimit(field, this.length - length);
  }

  /** Puts a byte and the length of everything before it, as gRPC has it. */
  prefixed(): Buffer {
    const { length } = this;
    this.#at -= 5;
    this.#bytes[this.#at] = 0;
    this.#bytes.writeUInt32BE(length, this.#at + 1);
    return this.#bytes.subarray(this.#at);
  }

  /** Writes a text of one byte a character; false, and nothing is written, for any other. */
  #ascii(text: string): boolean {
    const from = this.#at - text.length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      this.#bytes[from + i] = code;
    }
    this.#at = from;
    return true;
  }

  #delimit(field: number, length: number): void {
    this.#varint(length);
    this.#varint((field << 3) | LENGTH_DELIMITED);
  }

  /** Below 2^31. */
  #varint(value: number): void {
    let bytes = 1;
    for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes += 1;
    this.#at -= bytes;
    let rest = value;
    for (let i = 0; i < bytes - 1; i++, rest >>>= 7) this.#bytes[this.#at + i] = (rest & 0x7f) | 0x80;
    this.#bytes[this.#at + bytes - 1] = rest;
  }

  #wide(value: bigint): void {
    const bytes: number[] = [];
    for (let rest = value; rest > 0n || bytes.length === 0; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes[bytes.length - 1] = (bytes.at(-1) as number) & 0x7f;
    this.#at -= bytes.length;
    this.#bytes.set(bytes, this.#at);
  }
}
