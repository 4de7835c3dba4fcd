import { invalidField } from '../../errors.ts';
import type { InferCall, RequestedOutput } from '../../open-inference/protocol.ts';
import { DIMENSIONS_MAX } from '../../tensors/decode.ts';
import type { TensorInput } from '../../tensors/tensor.ts';
import { parseJson } from '../http-io.ts';

/** What the body of an infer request says, and which of its outputs are to travel as bytes. */
export interface ReadRequest extends Omit<InferCall, 'model' | 'version'> {
  readonly binary: BinaryOutputs;
}

export interface BinaryOutputs {
  readonly all: boolean;
  readonly byName: ReadonlyMap<string, boolean>;
}

const TENSORS_MAX = 10_000;

/**
 * Reads the body of an infer request. `headerLength` is the header `Inference-Header-Content-Length`: how much of the
 * body is JSON, after which come the bytes of its binary tensors; 0 makes all of it one tensor. Throws
 * `gateway/invalid-request`.
 */
export function readInfer(body: Buffer, headerLength: string | string[] | undefined): ReadRequest {
  const jsonBytes = headerLength === undefined ? body.length : lengthOf(headerLength);
  if (jsonBytes === 0 && headerLength !== undefined) {
    // Whoever sends bytes alone reads them: the answer is as binary as the request.
    return { parameters: {}, inputs: { rawBody: body }, binary: { all: true, byName: new Map() } };
  }
  if (jsonBytes > body.length) {
    throw invalidField('Inference-Header-Content-Length', `expected 0 to ${body.length}, the bytes of the body`);
  }
  return readJson(parseJson(body.subarray(0, jsonBytes)), body.subarray(jsonBytes));
}

function lengthOf(header: string | string[]): number {
  const length = typeof header === 'string' && /^\d{1,16}$/.test(header) ? Number(header) : Number.NaN;
  if (Number.isSafeInteger(length)) return length;
  throw invalidField('Inference-Header-Content-Length', 'expected a number of bytes');
}

/** Reads the JSON of a request; `rest` is what follows it, one tensor after the other. */
function readJson(value: unknown, rest: Buffer): ReadRequest {
  if (!isRecord(value)) throw invalidField('body', 'expected an object');
  const { id, inputs, outputs } = value;
  if (id !== undefined && typeof id !== 'string') throw invalidField('id', 'expected a text');
  const parameters = recordAt(value, 'parameters', '');
  const all = parameters['binary_data_output'];
  if (all !== undefined && typeof all !== 'boolean') {
    throw invalidField('parameters.binary_data_output', 'expected true or false');
  }
  const { requested, byName } = readOutputs(outputs);
  return {
    id,
    parameters,
    inputs: readInputs(inputs, rest),
    outputs: requested,
    binary: { all: all === true, byName },
  };
}

function readInputs(inputs: unknown, rest: Buffer): readonly TensorInput[] {
  if (!Array.isArray(inputs)) throw invalidField('inputs', 'expected an array of tensors');
  if (inputs.length > TENSORS_MAX) throw invalidField('inputs', `has more than ${TENSORS_MAX} tensors`);
  let used = 0;
  const tensors = inputs.map((input, i): TensorInput => {
    const { binaryBytes, ...tensor } = readTensor(input, `inputs.${i}`);
    if (binaryBytes === undefined) return tensor;
    if (used + binaryBytes > rest.length) {
      throw invalidField(`inputs.${i}.parameters.binary_data_size`, 'runs past the end of the body');
    }
    used += binaryBytes;
    return { ...tensor, raw: rest.subarray(used - binaryBytes, used) };
  });
  if (used !== rest.length) throw invalidField('body', `${rest.length - used} bytes belong to no tensor`);
  return tensors;
}

function readTensor(value: unknown, path: string): TensorInput & { readonly binaryBytes: number | undefined } {
  if (!isRecord(value)) throw invalidField(path, 'expected a tensor');
  const { name, datatype, shape, data } = value;
  if (typeof name !== 'string') throw invalidField(`${path}.name`, 'expected a text');
  if (typeof datatype !== 'string') throw invalidField(`${path}.datatype`, 'expected a text');
  if (!Array.isArray(shape) || shape.length > DIMENSIONS_MAX || !shape.every((size) => typeof size === 'number')) {
    throw invalidField(`${path}.shape`, `expected an array of at most ${DIMENSIONS_MAX} numbers`);
  }
  const size = recordAt(value, 'parameters', path)['binary_data_size'];
  if (size !== undefined && !(typeof size === 'number' && Number.isSafeInteger(size) && size >= 0)) {
    throw invalidField(`${path}.parameters.binary_data_size`, 'expected a number of bytes');
  }
  return { name, datatype, shape, data, binaryBytes: size };
}

interface Outputs {
  readonly requested: readonly RequestedOutput[] | undefined;
  readonly byName: ReadonlyMap<string, boolean>;
}

function readOutputs(outputs: unknown): Outputs {
  const byName = new Map<string, boolean>();
  if (outputs === undefined) return { requested: undefined, byName };
  if (!Array.isArray(outputs)) throw invalidField('outputs', 'expected an array of requested outputs');
  if (outputs.length > TENSORS_MAX) throw invalidField('outputs', `has more than ${TENSORS_MAX} outputs`);
  const requested = outputs.map((output, i): RequestedOutput => {
    const path = `outputs.${i}`;
    if (!isRecord(output)) throw invalidField(path, 'expected a requested output');
    const { name } = output;
    if (typeof name !== 'string') throw invalidField(`${path}.name`, 'expected a text');
    const { binary_data: binary, classification } = recordAt(output, 'parameters', path);
    if (binary !== undefined && typeof binary !== 'boolean') {
      throw invalidField(`${path}.parameters.binary_data`, 'expected true or false');
    }
    if (binary !== undefined) byName.set(name, binary);
    if (classification === undefined) return { name, classes: 0 };
    if (typeof classification !== 'number' || classification < 1) {
      throw invalidField(`${path}.parameters.classification`, 'expected a whole number from 1 on');
    }
    return { name, classes: classification };
  });
  return { requested, byName };
}

function recordAt(value: Readonly<Record<string, unknown>>, name: string, path: string): Record<string, unknown> {
  const found = value[name];
  if (found === undefined) return {};
  if (isRecord(found)) return found;
  throw invalidField(path === '' ? name : `${path}.${name}`, 'expected an object');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
