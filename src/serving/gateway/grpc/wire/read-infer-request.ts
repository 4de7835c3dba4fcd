import type { InferMessage, InputMessage } from '../infer-message.ts';
import { Cursor } from './cursor.ts';

/*
 * `ModelInferRequest` by hand (https://protobuf.dev/programming-guides/encoding): a generic reader makes texts of
 * 64-bit numbers and a default for every field, which costs more than a small model does.
 */

/** A field whose length stands before it, as the tag of the encoding. */
const field = (number: number): number => (number << 3) | 2;
const [MODEL_NAME, MODEL_VERSION, ID, INPUTS, OUTPUTS, RAW] = [1, 2, 3, 5, 6, 7].map(field);
const [NAME, DATATYPE, SHAPE] = [1, 2, 3].map(field);
/** A dimension that is not packed with others. */
const DIMENSION = 3 << 3;

const NONE: InferMessage['parameters'] = {};

/**
 * A request with raw tensors and without parameters, its tensors views of `bytes`. Undefined for any other, and for
 * bytes that are no request: a generic reader tells those apart.
 */
export function readInferRequest(bytes: Buffer): InferMessage | undefined {
  const cursor = new Cursor(bytes, 0, bytes.length);
  let [modelName, modelVersion, id] = ['', '', ''];
  const inputs: InputMessage[] = [];
  const outputs: InferMessage['outputs'][number][] = [];
  const raw: Buffer[] = [];
  while (cursor.at < cursor.end) {
    const tag = cursor.varint();
    const from = cursor.pass();
    if (from < 0) return undefined;
    if (tag === RAW) raw.push(bytes.subarray(from, cursor.at));
    else if (tag === MODEL_NAME) modelName = cursor.textFrom(from);
    else if (tag === MODEL_VERSION) modelVersion = cursor.textFrom(from);
    else if (tag === ID) id = cursor.textFrom(from);
    else if (tag === INPUTS) {
      const input = readInput(cursor.within(from));
      if (!input) return undefined;
      inputs.push(input);
    } else if (tag === OUTPUTS) {
      const name = readName(cursor.within(from));
      if (name === undefined) return undefined;
      outputs.push({ name, parameters: NONE });
    } else return undefined;
  }
  return {
    ...{ model_name: modelName, model_version: modelVersion, id, parameters: NONE },
    ...{ inputs, outputs, raw_input_contents: raw },
  };
}

function readInput(cursor: Cursor): InputMessage | undefined {
  let [name, datatype] = ['', ''];
  const shape: number[] = [];
  while (cursor.at < cursor.end) {
    const tag = cursor.varint();
    if (tag === DIMENSION) {
      if (!readDimension(cursor, shape)) return undefined;
      continue;
    }
    const from = cursor.pass();
    if (from < 0) return undefined;
    if (tag === NAME) name = cursor.textFrom(from);
    else if (tag === DATATYPE) datatype = cursor.textFrom(from);
    else if (tag === SHAPE) {
      const packed = cursor.within(from);
      while (packed.at < packed.end) if (!readDimension(packed, shape)) return undefined;
    } else return undefined;
  }
  return { name, datatype, shape, parameters: NONE, contents: null };
}

/** Dimensions that are negative or huge are refused later, by what reads them all. */
function readDimension(cursor: Cursor, shape: number[]): boolean {
  const size = cursor.varint();
  if (size >= 0) shape.push(size);
  return size >= 0;
}

function readName(cursor: Cursor): string | undefined {
  let name = '';
  while (cursor.at < cursor.end) {
    const tag = cursor.varint();
    const from = cursor.pass();
    if (from < 0 || tag !== NAME) return undefined;
    name = cursor.textFrom(from);
  }
  return name;
}
