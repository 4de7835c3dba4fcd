/** The inputs of one prediction as they are stored. */
export interface InputRow {
  readonly revision: string;
  /** See {@link encodeNumeric}; may be a view into a larger buffer. */
  readonly numeric: Uint8Array;
  /** JSON of the list. */
  readonly categories: string;
}

/** Numbers as 32-bit floats in the machine's order (little-endian on every platform Node runs on); NaN is missing. */
export function encodeNumeric(values: readonly (number | null)[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values, (value) => value ?? Number.NaN).buffer);
}

/** The numbers of {@link encodeNumeric}. Bytes are copied, because a driver may hand out views that are not aligned. */
export function decodeNumeric(bytes: Uint8Array): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer);
}
