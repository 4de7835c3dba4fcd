import { assert } from '#core/assert';

// Tensors travel little-endian, and typed arrays have the order of the machine: on any other they would be swapped.
assert(new Uint8Array(Uint16Array.of(1).buffer)[0] === 1, 'the gateway runs on little-endian machines');

/** The values of a tensor, row by row. FP16 and BF16 are kept as their 16 bits, texts as texts. */
export type TensorValues =
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | string[];

/** The largest finite FP32. */
export const FLOAT32_MAX = 3.4028234663852886e38;

export type NumberValues = Exclude<TensorValues, string[]>;

/** One value as JSON and typed contents carry it. */
export type Scalar = number | bigint | string | boolean | null;

export interface NumberType {
  /** Bytes of one value. */
  readonly bytes: number;
  readonly over: (buffer: ArrayBuffer) => NumberValues;
  /** The least and the greatest whole number; absent of floating point numbers. */
  readonly range?: readonly [min: number, max: number];
  /** Has no form in JSON or typed contents, only bytes. */
  readonly rawOnly?: true;
  /** The number that the bytes at an offset are. */
  read(view: DataView, offset: number): number;
}

/** The datatypes of the protocol, but for BYTES, whose values have no fixed size. */
export const NUMBER_TYPES = {
  BOOL: { bytes: 1, over: (b) => new Uint8Array(b), range: [0, 1], read: (v, at) => (v.getUint8(at) === 0 ? 0 : 1) },
  UINT8: { bytes: 1, over: (b) => new Uint8Array(b), range: [0, 255], read: (v, at) => v.getUint8(at) },
  UINT16: { bytes: 2, over: (b) => new Uint16Array(b), range: [0, 65_535], read: (v, at) => v.getUint16(at, true) },
  UINT32: {
    bytes: 4,
    over: (b) => new Uint32Array(b),
    range: [0, 2 ** 32 - 1],
    read: (v, at) => v.getUint32(at, true),
  },
  UINT64: {
    bytes: 8,
    over: (b) => new BigUint64Array(b),
    range: [0, Number.MAX_SAFE_INTEGER],
    read: (v, at) => Number(v.getBigUint64(at, true)),
  },
  INT8: { bytes: 1, over: (b) => new Int8Array(b), range: [-128, 127], read: (v, at) => v.getInt8(at) },
  INT16: { bytes: 2, over: (b) => new Int16Array(b), range: [-32_768, 32_767], read: (v, at) => v.getInt16(at, true) },
  INT32: {
    bytes: 4,
    over: (b) => new Int32Array(b),
    range: [-(2 ** 31), 2 ** 31 - 1],
    read: (v, at) => v.getInt32(at, true),
  },
  INT64: {
    bytes: 8,
    over: (b) => new BigInt64Array(b),
    range: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    read: (v, at) => Number(v.getBigInt64(at, true)),
  },
  FP16: { bytes: 2, over: (b) => new Uint16Array(b), rawOnly: true, read: (v, at) => v.getFloat16(at, true) },
  BF16: { bytes: 2, over: (b) => new Uint16Array(b), rawOnly: true, read: (v, at) => readBfloat16(v, at) },
  FP32: { bytes: 4, over: (b) => new Float32Array(b), read: (v, at) => v.getFloat32(at, true) },
  FP64: { bytes: 8, over: (b) => new Float64Array(b), read: (v, at) => v.getFloat64(at, true) },
} as const satisfies Record<string, NumberType>;

export type Datatype = keyof typeof NUMBER_TYPES | 'BYTES';

export function isDatatype(name: string): name is Datatype {
  return name === 'BYTES' || Object.hasOwn(NUMBER_TYPES, name);
}

/** `undefined` for BYTES. */
export function numberType(datatype: Datatype): NumberType | undefined {
  return datatype === 'BYTES' ? undefined : NUMBER_TYPES[datatype];
}

const widened = new DataView(new ArrayBuffer(4));

/** A bfloat16 is the upper half of a float32. */
function readBfloat16(view: DataView, offset: number): number {
  widened.setUint16(0, view.getUint16(offset, true));
  return widened.getFloat32(0);
}
