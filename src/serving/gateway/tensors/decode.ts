import { isUtf8 } from 'node:buffer';
import { invalidField } from '../errors.ts';
import {
  type Datatype,
  FLOAT32_MAX,
  isDatatype,
  type NumberType,
  numberType,
  type Scalar,
  type TensorValues,
} from './datatypes.ts';
import { sizeOf, type Tensor, type TensorInput } from './tensor.ts';

/** Dimensions of one tensor. */
export const DIMENSIONS_MAX = 8;
/** Values of one tensor: far more than a body within any limit can hold. */
const VALUES_MAX = 2 ** 31;

/**
 * A tensor of a request with its values in their own datatype. Throws `gateway/invalid-request`, naming the tensor,
 * when shape, datatype and data disagree or a value does not fit.
 */
export function decodeTensor(tensor: TensorInput): Tensor {
  const { name, shape } = tensor;
  const path = `inputs.${name.slice(0, 80)}`;
  const datatype = datatypeOf(tensor);
  const count = countOf(tensor);
  const format = numberType(datatype);
  if (tensor.raw) {
    const values = format ? rawNumbers(tensor, format, count) : rawTexts(tensor.raw, count, path);
    return { name, datatype, shape, values };
  }
  const flat = flattened(tensor.data, { count, depth: shape.length, path });
  const infinite = tensor.typed === true;
  const values = format ? numbersOf(flat, { datatype, format, path, infinite }) : textsOf(flat, path);
  return { name, datatype, shape, values };
}

/** Checks the name of the datatype, and that it has the form in which the data came. */
export function datatypeOf({ name, datatype, raw }: TensorInput): Datatype {
  const path = `inputs.${name.slice(0, 80)}.datatype`;
  if (!isDatatype(datatype)) throw invalidField(path, `'${datatype.slice(0, 20)}' is not a datatype`);
  if (raw || !numberType(datatype)?.rawOnly) return datatype;
  throw invalidField(path, `${datatype} has no form in JSON or typed contents; send it as binary`);
}

/** How many values the shape says. */
function countOf({ name, shape }: TensorInput): number {
  const path = `inputs.${name.slice(0, 80)}.shape`;
  if (shape.length > DIMENSIONS_MAX) throw invalidField(path, `has more than ${DIMENSIONS_MAX} dimensions`);
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw invalidField(path, `expected whole numbers from 0 on, found [${shape}]`);
  }
  const count = sizeOf(shape);
  if (count <= VALUES_MAX) return count;
  throw invalidField(path, `has more than ${VALUES_MAX} values`);
}

interface Flat {
  readonly count: number;
  readonly depth: number;
  readonly path: string;
}

/** Nested or flat, row by row. Iterative, and bounded by what the shape says, however deep the arrays are. */
export function flattened(data: unknown, { count, depth, path }: Flat): readonly Scalar[] {
  const values: Scalar[] = [];
  const stack: { readonly items: readonly unknown[]; at: number }[] = [];
  if (!Array.isArray(data)) throw invalidField(`${path}.data`, 'expected an array');
  stack.push({ items: data, at: 0 });
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    if (top.at === top.items.length) {
      stack.pop();
      continue;
    }
    const item = top.items[top.at++];
    if (Array.isArray(item)) {
      if (stack.length >= depth) throw invalidField(`${path}.data`, 'is nested deeper than its shape');
      stack.push({ items: item, at: 0 });
      continue;
    }
    if (values.length === count) throw invalidField(`${path}.data`, `has more than the ${count} values of its shape`);
    if (!isScalar(item)) throw invalidField(`${path}.data`, 'holds something that is no number, text, boolean or null');
    values.push(item);
  }
  if (values.length !== count) {
    throw invalidField(`${path}.data`, `has ${values.length} values, its shape says ${count}`);
  }
  return values;
}

function isScalar(item: unknown): item is Scalar {
  const kind = typeof item;
  return kind === 'number' || kind === 'string' || kind === 'boolean' || kind === 'bigint' || item === null;
}

interface Target {
  readonly datatype: Datatype;
  readonly format: NumberType;
  readonly path: string;
  readonly infinite: boolean;
}

function numbersOf(flat: readonly Scalar[], { datatype, format, path, infinite }: Target): TensorValues {
  const values = format.over(new ArrayBuffer(flat.length * format.bytes));
  const big = values instanceof BigInt64Array || values instanceof BigUint64Array;
  for (let i = 0; i < flat.length; i++) {
    const item = flat[i] as Scalar;
    const place = `${path}.data.${i}`;
    if (big) values[i] = bigintOf(item, { format, place, signed: values instanceof BigInt64Array });
    else if (format.range) values[i] = wholeNumber(item, { format, datatype, place });
    else values[i] = floatOf(item, { datatype, place, infinite });
  }
  return values;
}

function wholeNumber(item: Scalar, target: Pick<Target, 'format' | 'datatype'> & { readonly place: string }): number {
  const { format, datatype, place } = target;
  const value = typeof item === 'boolean' ? Number(item) : item;
  const [min, max] = format.range ?? [0, 0];
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  if (datatype === 'BOOL') throw invalidField(place, 'expected true or false');
  throw invalidField(place, `expected a whole number from ${min} to ${max}, as ${datatype} holds`);
}

/** Typed contents carry all 64 bits; a JSON number only those that it can tell apart. */
function bigintOf(
  item: Scalar,
  { format, place, signed }: { readonly format: NumberType; readonly place: string; readonly signed: boolean },
): bigint {
  if (typeof item === 'bigint') {
    const fits = signed ? BigInt.asIntN(64, item) === item : BigInt.asUintN(64, item) === item;
    if (fits) return item;
  }
  const value = typeof item === 'boolean' ? Number(item) : item;
  const [min, max] = format.range ?? [0, 0];
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return BigInt(value);
  throw invalidField(place, `expected a whole number from ${min} to ${max}; send others as binary`);
}

type FloatTarget = Pick<Target, 'datatype' | 'infinite'> & { readonly place: string };

/** JSON has no word for a number that is none: null stands for it. */
function floatOf(item: Scalar, { datatype, place, infinite }: FloatTarget): number {
  if (item === null) return Number.NaN;
  if (typeof item === 'boolean') return Number(item);
  if (typeof item !== 'number') throw invalidField(place, `expected a number, found a ${typeof item}`);
  const max = datatype === 'FP32' ? FLOAT32_MAX : Number.MAX_VALUE;
  if (Math.abs(item) > max && !(infinite && !Number.isFinite(item))) {
    throw invalidField(place, `is outside the range of ${datatype}`);
  }
  return item;
}

function textsOf(flat: readonly Scalar[], path: string): string[] {
  return flat.map((item, i) => {
    if (typeof item !== 'string') throw invalidField(`${path}.data.${i}`, 'expected a text');
    return withoutNul(item, path, i);
  });
}

function rawNumbers({ name, datatype, raw }: TensorInput, format: NumberType, count: number): TensorValues {
  const buffer = checkedRaw({ name, datatype, raw }, format, count);
  // A copy, because the values have to lie at a multiple of their size, wherever in the body they came.
  const bytes = new Uint8Array(buffer.length);
  bytes.set(buffer);
  if (datatype === 'BOOL') for (let i = 0; i < bytes.length; i++) bytes[i] = bytes[i] === 0 ? 0 : 1;
  return format.over(bytes.buffer);
}

/** The bytes of a tensor of numbers, whose length is what its shape says. */
export function checkedRaw(
  { name, datatype, raw }: Pick<TensorInput, 'name' | 'datatype' | 'raw'>,
  format: NumberType,
  count: number,
): Buffer {
  if (raw && raw.length === count * format.bytes) return raw;
  const expected = `${count} × ${format.bytes} bytes of ${datatype}`;
  throw invalidField(
    `inputs.${name.slice(0, 80)}`,
    `has ${raw?.length ?? 0} bytes of binary data, its shape says ${expected}`,
  );
}

/** Each text is preceded by its length in four little-endian bytes. */
export function rawTexts(raw: Buffer, count: number, path: string): string[] {
  const texts: string[] = [];
  let at = 0;
  while (at < raw.length && texts.length <= count) {
    if (at + 4 > raw.length) throw invalidField(path, 'ends within the length of a text');
    const bytes = raw.readUInt32LE(at);
    if (at + 4 + bytes > raw.length) throw invalidField(path, `has a text of ${bytes} bytes that runs past its data`);
    const text = raw.subarray(at + 4, at + 4 + bytes);
    if (!isUtf8(text)) throw invalidField(path, `has a text that is not UTF-8, its number ${texts.length}`);
    texts.push(withoutNul(text.toString('utf8'), path, texts.length));
    at += 4 + bytes;
  }
  if (texts.length === count && at === raw.length) return texts;
  throw invalidField(path, `has other than the ${count} texts of its shape`);
}

/** The library that runs models ends a text at its first NUL: to cut it silently would answer another question. */
function withoutNul(text: string, path: string, place: number): string {
  if (!text.includes('\0')) return text;
  throw invalidField(path, `has a text with a NUL in it, its number ${place}, which models do not take`);
}

/** A bfloat16 is the upper half of a float32, so that each is one exactly. */
export function widenBfloat16(values: Uint16Array): Float32Array<ArrayBuffer> {
  const bits = Uint32Array.from(values, (value) => value << 16);
  return new Float32Array(bits.buffer);
}
