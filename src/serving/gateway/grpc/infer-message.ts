import { invalidField } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import type { InferCall, InferResult, RequestedOutput } from '../open-inference/protocol.ts';
import { type Datatype, isDatatype, numberType } from '../tensors/datatypes.ts';
import { rawOf } from '../tensors/encode.ts';
import type { TensorInput } from '../tensors/tensor.ts';

/** `InferParameter` as proto-loader decodes it; 64-bit numbers are texts. */
interface Parameter {
  readonly bool_param?: boolean;
  readonly int64_param?: string;
  readonly string_param?: string;
  readonly double_param?: number;
  readonly uint64_param?: string;
}

type Parameters = Readonly<Record<string, Parameter>>;

/** `ModelInferRequest` as proto-loader decodes it. */
export interface InferMessage {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: Parameters;
  readonly inputs: readonly InputMessage[];
  readonly outputs: readonly { readonly name: string; readonly parameters: Parameters }[];
  readonly raw_input_contents: readonly Buffer[];
}

export interface InputMessage {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly (string | number)[];
  readonly parameters: Parameters;
  readonly contents: Readonly<Record<string, readonly unknown[]>> | null;
}

export type Asker = Pick<InferCall, 'caller' | 'asked' | 'watched' | 'onGone'>;

/** The call with whoever makes it, for the endpoint that its name means to their tenant. */
export function meant(parts: GatewayParts, call: InferCall, { caller, asked, watched, onGone }: Asker): InferCall {
  const model = parts.router.nameFor(call.model, caller?.tenant);
  return { ...call, caller, asked, onGone, watched: watched?.asks(model, caller), model };
}

/** Throws `gateway/invalid-request`. */
export function callOf(message: InferMessage): InferCall {
  const { inputs, raw_input_contents: raw, parameters, outputs } = message;
  if (raw.length > 0 && raw.length !== inputs.length) {
    throw invalidField('raw_input_contents', `has ${raw.length} tensors, inputs has ${inputs.length}`);
  }
  return {
    model: message.model_name,
    version: message.model_version || undefined,
    id: message.id || undefined,
    parameters: Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, parameterOf(value)])),
    inputs: inputs.map((input, i) => tensorOf(input, raw[i])),
    outputs: outputs.length === 0 ? undefined : outputs.map(requestedOf),
  };
}

function requestedOf({ name, parameters }: InferMessage['outputs'][number]): RequestedOutput {
  if ('shared_memory_region' in parameters) throw noSharedMemory(`outputs.${name.slice(0, 80)}`);
  const classes = parameters['classification'];
  if (!classes) return { name, classes: 0 };
  const count = parameterOf(classes);
  if (typeof count === 'number' && count >= 1) return { name, classes: count };
  throw invalidField(`outputs.${name.slice(0, 80)}.parameters.classification`, 'expected a whole number from 1 on');
}

function noSharedMemory(path: string): Error {
  return invalidField(path, 'names a region of shared memory, which is not offered');
}

function parameterOf(parameter: Parameter): boolean | string | number | undefined {
  const { bool_param, string_param, double_param, int64_param, uint64_param } = parameter;
  const whole = int64_param ?? uint64_param;
  return whole === undefined ? (bool_param ?? string_param ?? double_param) : Number(whole);
}

/** Where typed contents carry each datatype. */
const CONTENTS: Readonly<Record<string, string>> = {
  BOOL: 'bool_contents',
  INT8: 'int_contents',
  INT16: 'int_contents',
  INT32: 'int_contents',
  INT64: 'int64_contents',
  UINT8: 'uint_contents',
  UINT16: 'uint_contents',
  UINT32: 'uint_contents',
  UINT64: 'uint64_contents',
  FP32: 'fp32_contents',
  FP64: 'fp64_contents',
  BYTES: 'bytes_contents',
};

/** A tensor of a message: its raw bytes, or else its typed contents. */
export function tensorOf(input: InputMessage, raw: Buffer | undefined): TensorInput {
  const { name, datatype, contents, parameters } = input;
  if ('shared_memory_region' in parameters) throw noSharedMemory(`inputs.${name.slice(0, 80)}`);
  const shape = input.shape.map(Number);
  if (raw) {
    if (Object.values(contents ?? {}).some((values) => values.length > 0)) {
      throw invalidField(`inputs.${name.slice(0, 80)}.contents`, 'must be empty beside raw_input_contents');
    }
    return { name, datatype, shape, raw };
  }
  const field = CONTENTS[datatype];
  const values = (field && contents?.[field]) || [];
  return { name, datatype, shape, data: values.map((value) => scalarOf(value, datatype)), typed: true };
}

/** 64-bit numbers come as texts and texts as bytes. */
function scalarOf(value: unknown, datatype: string): unknown {
  if (Buffer.isBuffer(value)) return value.toString('utf8');
  return typeof value === 'string' && isSixtyFour(datatype) ? BigInt(value) : value;
}

function isSixtyFour(datatype: string): boolean {
  return isDatatype(datatype) && numberType(datatype as Datatype)?.bytes === 8;
}

/** What is a share stays one when it is whole, so that a client reads it from one field. */
const REAL = new Set(['propensity']);

/** Whether a parameter is a whole number to clients. */
export function isCounted(name: string, value: number): boolean {
  return Number.isSafeInteger(value) && !REAL.has(name);
}

function parameterFrom(name: string, value: string | number): object {
  if (typeof value === 'string') return { string_param: value };
  return isCounted(name, value) ? { int64_param: value } : { double_param: value };
}

/** An answer carries its tensors raw, the form that every client reads. */
export function messageOf({ model, version, id, parameters, outputs }: InferResult): object {
  return {
    model_name: model,
    model_version: version,
    id,
    parameters: Object.fromEntries(
      Object.entries(parameters).map(([name, value]) => [name, parameterFrom(name, value)]),
    ),
    outputs: outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    raw_output_contents: outputs.map(({ values }) => rawOf(values)),
  };
}
