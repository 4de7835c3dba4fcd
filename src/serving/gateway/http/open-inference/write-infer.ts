import type { InferResult } from '../../open-inference/protocol.ts';
import { jsonOf, rawOf } from '../../tensors/encode.ts';
import type { Tensor } from '../../tensors/tensor.ts';
import type { BinaryOutputs } from './read-infer.ts';

/** An answer: JSON, and behind it the tensors that were asked for as bytes. */
export interface InferAnswer {
  readonly json: string;
  readonly raws: readonly Buffer[];
}

/** An answer as it travels and is kept. `jsonBytes` is there when tensors follow the JSON as bytes. */
export interface WrittenAnswer {
  readonly body: Buffer;
  readonly jsonBytes: number | undefined;
}

/**
 * Writes the answer of an infer request: each output as JSON or, where it was asked for, as bytes after the JSON. The
 * text is put together here: a generic writer takes several times as long for an answer of one number.
 */
export function writeInfer(result: InferResult, binary: BinaryOutputs): InferAnswer {
  const raws: Buffer[] = [];
  let outputs = '';
  for (const tensor of result.outputs) {
    const { name, datatype, shape, values } = tensor;
    const head = `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join(',')}]`;
    const isRaw = binary.byName.get(name) ?? binary.all;
    const raw = isRaw ? rawOf(values) : undefined;
    if (raw) raws.push(raw);
    const rest = raw ? `"parameters":{"binary_data_size":${raw.length}}` : `"data":${dataOf(tensor)}`;
    outputs += `${outputs === '' ? '' : ','}${head},${rest}}`;
  }
  const { model, version, id, parameters } = result;
  const names = `{"model_name":${JSON.stringify(model)},"model_version":${JSON.stringify(version)}`;
  const own = id === '' ? '' : `,"id":${JSON.stringify(id)}`;
  const told = JSON.stringify(parameters);
  return { json: `${names}${own}${told === '{}' ? '' : `,"parameters":${told}`},"outputs":[${outputs}]}`, raws };
}

export function bytesOf({ json, raws }: InferAnswer): WrittenAnswer {
  if (raws.length === 0) return { body: Buffer.from(json), jsonBytes: undefined };
  const jsonBytes = Buffer.byteLength(json);
  const body = Buffer.allocUnsafe(raws.reduce((bytes, { length }) => bytes + length, jsonBytes));
  let end = body.write(json);
  for (const raw of raws) end += raw.copy(body, end);
  return { body, jsonBytes };
}

function dataOf(tensor: Tensor): string {
  const { values, datatype } = tensor;
  const [first] = values;
  const isOneNumber = values.length === 1 && datatype === 'FP32' && Number.isFinite(first);
  return isOneNumber ? `[${first}]` : JSON.stringify(jsonOf(tensor));
}
