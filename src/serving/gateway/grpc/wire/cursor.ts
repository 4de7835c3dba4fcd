/** Reads the encoding of protobuf within a part of some bytes. What it cannot read is told by a negative number. */
export class Cursor {
  readonly #bytes: Buffer;
  readonly end: number;
  at: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** A whole number below 2^28; -1 for a greater one, and where the part ends within one. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 28 && this.at < this.end; shift += 7) {
      const byte = this.#bytes[this.at++] as number;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return -1;
  }

  /** Passes over a field with its length before it and tells where it begins; -1 where it runs past the part. */
  pass(): number {
    const length = this.varint();
    const from = this.at;
    if (length < 0 || from + length > this.end) return -1;
    this.at = from + length;
    return from;
  }

  /** The text from `from` up to here. */
  textFrom(from: number): string {
    return this.#bytes.toString('utf8', from, this.at);
  }

  /** The part from `from` up to here. */
  within(from: number): Cursor {
    return new Cursor(this.#bytes, from, this.at);
  }
}
