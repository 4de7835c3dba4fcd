import type { InferResult } from '../../open-inference/protocol.ts';
import { jsonOf, rawOf } from '../../tensors/encode.ts';
import type { BinaryOutputs } from './read-infer.ts';

/** An answer as it travels. `jsonBytes` is there when tensors follow the JSON as bytes. */
export interface WrittenAnswer {
  readonly body: Buffer;
  readonly jsonBytes: number | undefined;
}

/** Writes the answer of an infer request: each output as JSON or, where it was asked for, as bytes after the JSON. */
export function writeInfer(result: InferResult, binary: BinaryOutputs): WrittenAnswer {
  const raws: Buffer[] = [];
  const outputs = result.outputs.map((tensor) => {
    const { name, datatype, shape, values } = tensor;
    if (!(binary.byName.get(name) ?? binary.all)) return { name, datatype, shape, data: jsonOf(tensor) };
    const raw = rawOf(values);
    raws.push(raw);
    return { name, datatype, shape, parameters: { binary_data_size: raw.length } };
  });
  const { model, version, id, parameters } = result;
  const json = Buffer.from(
    JSON.stringify({
      model_name: model,
      model_version: version,
      ...(id === '' ? {} : { id }),
      ...(Object.keys(parameters).length > 0 ? { parameters } : {}),
      outputs,
    }),
  );
  if (raws.length === 0) return { body: json, jsonBytes: undefined };
  return { body: Buffer.concat([json, ...raws]), jsonBytes: json.length };
}
