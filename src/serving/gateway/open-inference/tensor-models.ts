import { wishOf } from '../batching/queue-wish.ts';
import { gatewayErrors, invalidField } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import type { RepositoryVersion } from '../repository/model-repository.ts';
import { type Datatype, numberType } from '../tensors/datatypes.ts';
import { decodeTensor } from '../tensors/decode.ts';
import { sizeOf, type Tensor, type TensorInput, type TensorSpec } from '../tensors/tensor.ts';
import { asRequested, wantedOf } from './outputs.ts';
import type { InferCall, InferResult } from './protocol.ts';

/** Runs a model of the repository: the tensors that it takes, each once, of its datatypes and shapes. */
export async function inferTensors(
  parts: GatewayParts,
  call: InferCall,
  served: RepositoryVersion,
): Promise<InferResult> {
  const { labels, maxBatchSize } = served;
  const wanted = wantedOf(call.outputs, served.outputs);
  const feeds = feedsOf(call, served);
  const { onGone, watched, wish = wishOf(call.parameters) } = call;
  const { batching: policy } = served;
  const waits = policy && { name: `${served.model}, version ${served.version}`, policy, wish };
  const answers = await parts.tensorScorer.infer({ served, feeds, wanted, waits, onGone, watched });
  return {
    model: served.model,
    version: served.version,
    id: call.id ?? '',
    parameters: {},
    outputs: asRequested(answers, call.outputs, { batched: maxBatchSize > 0, labels }),
  };
}

/** The tensors of a call in the order of the model's inputs. Throws `gateway/invalid-request`. */
export function feedsOf(
  call: Pick<InferCall, 'inputs'>,
  { inputs, maxBatchSize }: Pick<RepositoryVersion, 'inputs' | 'maxBatchSize'>,
): readonly Tensor[] {
  const given = 'rawBody' in call.inputs ? [rawTensor(call.inputs.rawBody, inputs)] : call.inputs;
  const names = new Set<string>();
  for (const { name } of given) {
    const path = `inputs.${name.slice(0, 80)}`;
    if (names.has(name)) throw invalidField(path, 'is given twice');
    names.add(name);
    if (inputs.every((spec) => spec.name !== name)) {
      const expected = inputs.map((spec) => spec.name).join(', ');
      throw invalidField(path, `is not an input of this model, which takes ${expected}`);
    }
  }
  const feeds = inputs.map((spec) => {
    const tensor = given.find(({ name }) => name === spec.name);
    if (!tensor) throw invalidField(`inputs.${spec.name}`, 'is missing');
    return fitted(decodeTensor(tensor), spec);
  });
  if (maxBatchSize > 0) checkBatch(feeds, maxBatchSize);
  return feeds;
}

function checkBatch(feeds: readonly Tensor[], maxBatchSize: number): void {
  const rows = feeds[0]?.shape[0] ?? 0;
  for (const { name, shape } of feeds) {
    const path = `inputs.${name}.shape`;
    if (shape[0] !== rows) throw invalidField(path, `has ${shape[0]} rows, another tensor ${rows}`);
    if (rows < 1 || rows > maxBatchSize) throw invalidField(path, `has ${rows} rows; expected 1 to ${maxBatchSize}`);
  }
}

function fitted(tensor: Tensor, { datatype, shape }: TensorSpec): Tensor {
  const path = `inputs.${tensor.name}`;
  const fits =
    tensor.shape.length === shape.length && shape.every((size, i) => size === -1 || size === tensor.shape[i]);
  if (!fits) throw invalidField(`${path}.shape`, `expected [${shape}], found [${tensor.shape}]`);
  if (tensor.datatype === datatype) return tensor;
  throw invalidField(`${path}.datatype`, `expected ${datatype}, found ${tensor.datatype}`);
}

/** The tensor that a whole body is: its one dimension of any size follows from the length. */
function rawTensor(raw: Buffer, inputs: readonly TensorSpec[]): TensorInput {
  const [spec, ...more] = inputs;
  const refuse = (why: string): Error => gatewayErrors['invalid-request'](`body: cannot be a raw tensor: ${why}`);
  if (!spec || more.length > 0) throw refuse(`the model takes ${inputs.length} inputs`);
  const { name, datatype } = spec;
  if (spec.shape.filter((size) => size === -1).length > 1) {
    throw refuse(`more than one dimension of '${name}' is of any size`);
  }
  if (datatype === 'BYTES') return rawText(raw, spec, refuse);
  const fixed = sizeOf(spec.shape.map((size) => (size === -1 ? 1 : size)));
  const bytes = fixed * bytesOf(datatype);
  if (bytes === 0 || raw.length % bytes !== 0) throw refuse(`${raw.length} bytes are no multiple of ${bytes}`);
  return { name, datatype, shape: spec.shape.map((size) => (size === -1 ? raw.length / bytes : size)), raw };
}

function bytesOf(datatype: Datatype): number {
  return numberType(datatype)?.bytes ?? 0;
}

/** A body is one text, without the length that texts are preceded by among others. */
function rawText(raw: Buffer, { name, datatype, shape }: TensorSpec, refuse: (why: string) => Error): TensorInput {
  const sizes = shape.map((size) => (size === -1 ? 1 : size));
  if (sizeOf(sizes) !== 1) throw refuse(`'${name}' is more than one text`);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(raw.length);
  return { name, datatype, shape: sizes, raw: Buffer.concat([length, raw]) };
}
