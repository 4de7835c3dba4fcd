import { type FileHandle, open } from 'node:fs/promises';
import { fieldsOf, textOf } from './gateway/runtime/trees/onnx-reader.ts';
import type { Datatype } from './gateway/tensors/datatypes.ts';
import { ONNX_DATATYPES } from './gateway/tensors/onnx-datatypes.ts';
import type { TensorSpec } from './gateway/tensors/tensor.ts';

/** What a model of tensors takes and answers. */
export interface OnnxTensors {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** Fields of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. */
const GRAPH = 7;
const INITIALIZER = 5;
const INPUT = 11;
const OUTPUT = 12;
const NAME_OF_INITIALIZER = 8;

/** Of the fields of a graph that are looked at: an input with its type takes some hundred bytes. */
const VALUE_BYTES_MAX = 1024 * 1024;
const FIELDS_MAX = 5_000_000;
const WINDOW_BYTES = 65_536;
/** The number of a field and its length, each a varint. */
const HEAD_BYTES = 20;

/**
 * The inputs and outputs of an ONNX file, without running it and without reading its weights, which may be gigabytes:
 * only the heads of fields and the descriptions of values are read. Constants that are named as inputs too (files of
 * before ONNX 1.4) are none. Throws an `Error` when the file is no model, or takes something that is no tensor.
 */
export async function readOnnxTensors(path: string): Promise<OnnxTensors> {
  const file = await open(path);
  try {
    const window = new Window(file);
    const { size } = await file.stat();
    const inputs: TensorSpec[] = [];
    const outputs: TensorSpec[] = [];
    const constants = new Set<string>();
    for await (const graph of fieldsIn(window, 0, size)) {
      if (graph.number !== GRAPH) continue;
      for await (const field of fieldsIn(window, graph.from, graph.to)) {
        if (field.number === INPUT) inputs.push(specOf(await window.read(field)));
        if (field.number === OUTPUT) outputs.push(specOf(await window.read(field)));
        if (field.number === INITIALIZER) constants.add(await nameIn(window, field));
      }
    }
    if (outputs.length === 0) throw new Error('the file has no graph with an output: it is no ONNX model');
    return { inputs: inputs.filter(({ name }) => !constants.has(name)), outputs };
  } finally {
    await file.close();
  }
}

interface Place {
  readonly number: number;
  readonly from: number;
  readonly to: number;
}

/** The part of a file that was read last. */
class Window {
  readonly #file: FileHandle;
  #start = 0;
  #bytes = Buffer.alloc(0);

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Up to `length` bytes from `at`; fewer at the end of the file. */
  async at(at: number, length: number): Promise<Buffer> {
    if (at < this.#start || at + length > this.#start + this.#bytes.length) {
      const bytes = Buffer.alloc(Math.max(length, WINDOW_BYTES));
      const { bytesRead } = await this.#file.read(bytes, 0, bytes.length, at);
      this.#start = at;
      this.#bytes = bytes.subarray(0, bytesRead);
    }
    return this.#bytes.subarray(at - this.#start, at - this.#start + length);
  }

  async read({ from, to }: Place): Promise<Buffer> {
    if (to - from > VALUE_BYTES_MAX) throw new Error(`the description of a value is over ${VALUE_BYTES_MAX} bytes`);
    return Buffer.from(await this.at(from, to - from));
  }
}

/** The fields of the message from `start` to `end`, without their contents. */
async function* fieldsIn(window: Window, start: number, end: number): AsyncGenerator<Place> {
  let count = 0;
  for (let at = start; at < end; ) {
    if (++count > FIELDS_MAX) throw new Error(`the file has more than ${FIELDS_MAX} fields`);
    const place = placeOf(await window.at(at, Math.min(HEAD_BYTES, end - at)), at);
    if (place.to > end) throw new Error('the file ends within a field: it is no ONNX model');
    yield place;
    at = place.to;
  }
}

function placeOf(head: Buffer, at: number): Place {
  const tag = varint(head, 0);
  const number = Math.floor(tag.value / 8);
  const wire = tag.value % 8;
  const from = at + tag.next;
  if (wire === 0) return { number, from, to: at + varint(head, tag.next).next };
  if (wire === 1) return { number, from, to: from + 8 };
  if (wire === 5) return { number, from, to: from + 4 };
  if (wire !== 2) throw new Error(`the file has a field of the unknown type ${wire}: it is no ONNX model`);
  const length = varint(head, tag.next);
  return { number, from: at + length.next, to: at + length.next + length.value };
}

function varint(bytes: Buffer, from: number): { readonly value: number; readonly next: number } {
  let value = 0;
  let scale = 1;
  for (let at = from; at < Math.min(bytes.length, from + 10); at++) {
    const byte = bytes[at] as number;
    value += (byte % 128) * scale;
    if (byte < 128) return { value, next: at + 1 };
    scale *= 128;
  }
  throw new Error('the file ends within a number: it is no ONNX model');
}

/** Of a constant, past its values. */
async function nameIn(window: Window, { from, to }: Place): Promise<string> {
  for await (const field of fieldsIn(window, from, to)) {
    if (field.number === NAME_OF_INITIALIZER) return (await window.read(field)).toString('utf8');
  }
  return '';
}

/** A ValueInfoProto. */
function specOf(bytes: Buffer): TensorSpec {
  const name = textOf(bytes, 1);
  const tensor = partOf(partOf(bytes, 2), 1);
  if (tensor.length === 0) throw new Error(`'${name}' is no tensor, which cannot be served`);
  let element = 0;
  const shape: number[] = [];
  for (const field of fieldsOf(tensor)) {
    if (field.number === 1) element = field.integer;
    if (field.number !== 2) continue;
    for (const dimension of fieldsOf(field.bytes)) if (dimension.number === 1) shape.push(sizeIn(dimension.bytes));
  }
  const datatype: Datatype | undefined = ONNX_DATATYPES[element];
  if (datatype) return { name, datatype, shape };
  throw new Error(`'${name}' is of ONNX element type ${element}, which cannot be served`);
}

/** A dimension; one that has a name instead of a size, or neither, is of any size. */
function sizeIn(dimension: Uint8Array): number {
  for (const { number, integer } of fieldsOf(dimension)) if (number === 1) return integer > 2 ** 53 ? -1 : integer;
  return -1;
}

function partOf(bytes: Uint8Array, number: number): Uint8Array {
  for (const field of fieldsOf(bytes)) if (field.number === number) return field.bytes;
  return new Uint8Array(0);
}
