/** Reads the parts of an ONNX file (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) that a tree model has. */

export interface OnnxNode {
  readonly operator: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

export interface OnnxAttribute {
  readonly int: number;
  readonly text: string;
  readonly tensor: readonly number[];
  readonly floats: readonly number[];
  readonly ints: readonly number[];
  readonly texts: readonly string[];
}

export interface OnnxFile {
  readonly nodes: readonly OnnxNode[];
  /** Constants of 64-bit integers, by name. */
  readonly integers: ReadonlyMap<string, readonly number[]>;
  readonly outputs: readonly string[];
}

/** Throws a `RangeError` for bytes that end early; what it does not know it passes over. */
export function readOnnx(bytes: Uint8Array): OnnxFile {
  const nodes: OnnxNode[] = [];
  const integers = new Map<string, readonly number[]>();
  const outputs: string[] = [];
  for (const { number, bytes: graph } of fieldsOf(bytes)) {
    if (number !== GRAPH) continue;
    for (const field of fieldsOf(graph)) {
      if (field.number === 1) nodes.push(readNode(field.bytes));
      if (field.number === 5) integers.set(textOf(field.bytes, 8), readIntegers(field.bytes));
      if (field.number === 12) outputs.push(textOf(field.bytes, 1));
    }
  }
  return { nodes, integers, outputs };
}

const GRAPH = 7;

function readNode(bytes: Uint8Array): OnnxNode {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, OnnxAttribute>();
  let operator = '';
  let domain = '';
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) inputs.push(utf8(field.bytes));
    if (field.number === 2) outputs.push(utf8(field.bytes));
    if (field.number === 4) operator = utf8(field.bytes);
    if (field.number === 5) attributes.set(textOf(field.bytes, 1), readAttribute(field.bytes));
    if (field.number === 7) domain = utf8(field.bytes);
  }
  return { operator, domain, inputs, outputs, attributes };
}

function readAttribute(bytes: Uint8Array): OnnxAttribute {
  let int = 0;
  let text = '';
  let tensor: readonly number[] = [];
  const floats: number[] = [];
  const ints: number[] = [];
  const texts: string[] = [];
  for (const field of fieldsOf(bytes)) {
    if (field.number === 3) int = field.integer;
    if (field.number === 4) text = utf8(field.bytes);
    if (field.number === 5) tensor = readDoubles(field.bytes);
    if (field.number === 7) for (const value of float32s(field.bytes)) floats.push(value);
    if (field.number === 8) pushIntegers(ints, field);
    if (field.number === 9) texts.push(utf8(field.bytes));
  }
  return { int, text, tensor, floats, ints, texts };
}

/** The values of a tensor of doubles stored raw; empty for any other. */
function readDoubles(bytes: Uint8Array): readonly number[] {
  for (const field of fieldsOf(bytes)) {
    if (field.number !== 9) continue;
    const view = new DataView(field.bytes.buffer, field.bytes.byteOffset, field.bytes.byteLength);
    return Array.from({ length: field.bytes.length >> 3 }, (_, i) => view.getFloat64(8 * i, true));
  }
  return [];
}

function readIntegers(bytes: Uint8Array): readonly number[] {
  const values: number[] = [];
  for (const field of fieldsOf(bytes)) if (field.number === 7) pushIntegers(values, field);
  return values;
}

/** Repeated integers come packed into one field or each in its own. */
function pushIntegers(values: number[], field: Field): void {
  if (field.bytes.length === 0) values.push(field.integer);
  for (let at = 0; at < field.bytes.length; ) {
    const { value, next } = varint(field.bytes, at);
    values.push(value);
    at = next;
  }
}

function float32s(bytes: Uint8Array): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length >> 2 }, (_, i) => view.getFloat32(4 * i, true));
}

export function textOf(bytes: Uint8Array, number: number): string {
  for (const field of fieldsOf(bytes)) if (field.number === number) return utf8(field.bytes);
  return '';
}

export interface Field {
  readonly number: number;
  /** Of a varint; 0 otherwise. */
  readonly integer: number;
  /** Of everything else; empty for a varint. */
  readonly bytes: Uint8Array;
  /** The field as it stands in the message, with its number. */
  readonly whole: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);
/** Bytes of the wire types that have a fixed length: 64 bits and 32 bits. */
const FIXED_LENGTH: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** The fields of a message, in order. Throws a `RangeError` for bytes that end early. */
export function* fieldsOf(bytes: Uint8Array): Iterable<Field> {
  for (let at = 0; at < bytes.length; ) {
    const tag = varint(bytes, at);
    const number = Math.floor(tag.value / 8);
    const wire = tag.value % 8;
    const head = wire === 0 || wire === 2 ? varint(bytes, tag.next) : undefined;
    if (wire === 0 && head) {
      yield { number, integer: head.value, bytes: NO_BYTES, whole: bytes.subarray(at, head.next) };
      at = head.next;
      continue;
    }
    const start = head?.next ?? tag.next;
    const length = head?.value ?? FIXED_LENGTH[wire];
    if (length === undefined || start + length > bytes.length) throw new RangeError('the file ends within a field');
    const end = start + length;
    yield { number, integer: 0, bytes: bytes.subarray(start, end), whole: bytes.subarray(at, end) };
    at = end;
  }
}

/** Numbers beyond 2^53 (negative ones among them) come out inexact: no count or index of a tree model is that large. */
function varint(bytes: Uint8Array, from: number): { readonly value: number; readonly next: number } {
  let value = 0;
  let scale = 1;
  for (let at = from; at < from + 10; at++) {
    const byte = bytes[at];
    if (byte === undefined) break;
    value += (byte % 128) * scale;
    if (byte < 128) return { value, next: at + 1 };
    scale *= 128;
  }
  throw new RangeError('the file ends within a number');
}

const decoder = new TextDecoder();

function utf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
