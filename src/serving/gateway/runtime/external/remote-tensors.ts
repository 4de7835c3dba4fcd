import { messageOf } from '#core/errors';
import { isDatatype } from '../../tensors/datatypes.ts';
import { decodeTensor } from '../../tensors/decode.ts';
import type { Tensor, TensorInput, TensorSpec } from '../../tensors/tensor.ts';
import { RemoteFailure } from './remote-server.ts';

/** The tensors of the metadata of a model. Throws {@link RemoteFailure} when they are none. */
export function specsOf(value: unknown, what: string): readonly TensorSpec[] {
  if (!Array.isArray(value)) throw odd(`${what} is no list of tensors`);
  return value.map((tensor: { name?: unknown; datatype?: unknown; shape?: unknown } | null) => {
    const { name, datatype, shape } = tensor ?? {};
    if (typeof name !== 'string' || typeof datatype !== 'string' || !isDatatype(datatype)) {
      throw odd(`${what} has a tensor '${String(name).slice(0, 80)}' of datatype '${String(datatype).slice(0, 20)}'`);
    }
    const sizes = Array.isArray(shape) ? shape.map(Number) : [];
    if (!sizes.every(Number.isSafeInteger)) throw odd(`${what}.${name} has the shape [${sizes}]`);
    return { name, datatype, shape: sizes };
  });
}

/** The wanted outputs among those of an answer. Throws {@link RemoteFailure} where one lacks or makes no sense. */
export function answersOf(outputs: readonly TensorInput[], wanted: readonly string[]): Tensor[] {
  return wanted.map((name) => {
    const output = outputs.find((candidate) => candidate.name === name);
    if (!output) throw odd(`the answer has no output '${name}'`);
    try {
      return decodeTensor(output);
    } catch (error) {
      throw odd(`output '${name}' of the answer: ${messageOf(error)}`);
    }
  });
}

function odd(message: string): RemoteFailure {
  return new RemoteFailure('failed', message);
}
