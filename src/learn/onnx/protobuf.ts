/**
 * Writes the protobuf wire format (https://protobuf.dev/programming-guides/encoding/): varints, fixed 32-bit numbers
 * and length-delimited fields, which is all that ONNX needs.
 */
export class ProtobufWriter {
  #bytes = new Uint8Array(1024);
  #length = 0;

  /** A signed integer as a varint; negative numbers take ten bytes, as in any `int64` field. */
  int(field: number, value: number | bigint): void {
    this.#varint(field * 8);
    this.#signed(value);
  }

  float(field: number, value: number): void {
    this.#varint(field * 8 + 5);
    this.#reserve(4);
    new DataView(this.#bytes.buffer).setFloat32(this.#length, value, true);
    this.#length += 4;
  }

  string(field: number, value: string): void {
    this.bytes(field, new TextEncoder().encode(value));
  }

  bytes(field: number, value: Uint8Array): void {
    this.#varint(field * 8 + 2);
    this.#varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** A nested message, written by `body`. */
  message(field: number, body: (writer: ProtobufWriter) => void): void {
    const nested = new ProtobufWriter();
    body(nested);
    this.bytes(field, nested.finish());
  }

  /** Repeated integers in one packed field. */
  ints(field: number, values: Iterable<number | bigint>): void {
    this.message(field, (nested) => {
      for (const value of values) nested.#signed(value);
    });
  }

  /** Repeated float32 in one packed field. */
  floats(field: number, values: ArrayLike<number>): void {
    const view = new DataView(new ArrayBuffer(values.length * 4));
    for (let i = 0; i < values.length; i++) view.setFloat32(i * 4, values[i]!, true);
    this.bytes(field, new Uint8Array(view.buffer));
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #signed(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0) {
      this.#varint(value);
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 127n; rest >>= 7n) this.#byte(Number(rest & 127n) | 128);
    this.#byte(Number(rest));
  }

  #varint(value: number): void {
    for (; value > 127; value = Math.floor(value / 128)) this.#byte((value % 128) | 128);
    this.#byte(value);
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
