import type { NumberValues } from '../../tensors/datatypes.ts';
import type { Tensor } from '../../tensors/tensor.ts';

/** Tensors of the same shape, each with its weight. */
export interface Member {
  readonly tensor: Tensor;
  readonly weight: number;
}

/** Σ wᵢxᵢ ÷ Σ wᵢ for each value, in double precision. */
export function mean(members: readonly Member[], name: string): Tensor {
  const [{ tensor: first }] = sameShapes(members);
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  const values = new Float32Array(first.values.length);
  const rows = members.map(({ tensor, weight }) => ({ values: tensor.values as NumberValues, weight }));
  for (let i = 0; i < values.length; i++) {
    let sum = 0;
    for (const { values: own, weight } of rows) sum += weight * Number(own[i]);
    values[i] = sum / total;
  }
  return { name, datatype: 'FP32', shape: first.shape, values };
}

/** The value with the most weight in each place; of equal ones that of the earliest member. */
export function vote(members: readonly Member[], name: string): Tensor {
  const [{ tensor: first }] = sameShapes(members);
  const values = first.values.slice();
  for (let i = 0; i < values.length; i++) {
    const weights = new Map<unknown, number>();
    for (const { tensor, weight } of members) {
      weights.set(tensor.values[i], (weights.get(tensor.values[i]) ?? 0) + weight);
    }
    let most = Number.NEGATIVE_INFINITY;
    for (const [value, weight] of weights) {
      // A map keeps the order in which its keys came, which is that of the members.
      if (weight > most) {
        most = weight;
        (values as unknown[])[i] = value;
      }
    }
  }
  return { ...first, name, values };
}

/** The columns of all, one beside the other: what a model that is stacked on others takes. */
export function stack(members: readonly Member[], name: string): Tensor {
  const [{ tensor: first }] = members as [Member, ...Member[]];
  const rows = first.shape[0] ?? 0;
  const columns = members.map(({ tensor: { shape, values } }) => ({
    values: values as NumberValues,
    width: shape.length === 1 ? 1 : (shape[1] ?? 1),
    rows: shape[0] ?? 0,
  }));
  const odd = columns.find((column) => column.rows !== rows);
  if (odd) throw new Error(`'${name}' is of columns with ${rows} and ${odd.rows} rows`);
  const width = columns.reduce((sum, column) => sum + column.width, 0);
  const stacked = new Float32Array(rows * width);
  for (let row = 0, at = 0; row < rows; row++) {
    for (const column of columns) {
      for (let k = 0; k < column.width; k++) stacked[at++] = Number(column.values[row * column.width + k]);
    }
  }
  return { name, datatype: 'FP32', shape: [rows, width], values: stacked };
}

function sameShapes(members: readonly Member[]): readonly [Member, ...Member[]] {
  const [first, ...rest] = members as [Member, ...Member[]];
  for (const { tensor } of rest) {
    if (tensor.shape.join() === first.tensor.shape.join()) continue;
    throw new Error(`members answered the shapes [${first.tensor.shape}] and [${tensor.shape}]`);
  }
  return [first, ...rest];
}
