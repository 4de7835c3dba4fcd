import type { NumberValues, TensorValues } from './datatypes.ts';
import { sizeOf, type Tensor } from './tensor.ts';

/** Size of the first dimension; a scalar has none. */
export function rowsOf({ shape }: Tensor): number {
  return shape[0] ?? 0;
}

/** Tensors that differ in their first dimension only, one after the other. */
export function joinRows(tensors: readonly Tensor[]): Tensor {
  const [first, ...rest] = tensors as [Tensor, ...Tensor[]];
  if (rest.length === 0) return first;
  const rows = tensors.reduce((sum, tensor) => sum + rowsOf(tensor), 0);
  return { ...first, shape: [rows, ...first.shape.slice(1)], values: joinValues(tensors.map(({ values }) => values)) };
}

function joinValues(parts: readonly TensorValues[]): TensorValues {
  const [first] = parts as [TensorValues, ...TensorValues[]];
  if (Array.isArray(first)) return parts.flatMap((part) => part as string[]);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const joined = new (first.constructor as new (length: number) => NumberValues)(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part as never, at);
    at += part.length;
  }
  return joined;
}

/** The rows from `from` up to `to`. */
export function sliceRows(tensor: Tensor, from: number, to: number): Tensor {
  if (from === 0 && to === rowsOf(tensor)) return tensor;
  const rest = tensor.shape.slice(1);
  const width = sizeOf(rest);
  return { ...tensor, shape: [to - from, ...rest], values: tensor.values.slice(from * width, to * width) };
}
