import type { PredictionView } from '#monitoring/contract';

export type RecordedTensor = NonNullable<PredictionView['tensors']>['inputs'][number];
export type TensorValue = NonNullable<RecordedTensor['data']>[number];

/** One row of a tensor: its last dimension, at a place of all others. */
export interface TensorRow {
  /** `1, 0`; empty where there is no other dimension. */
  readonly place: string;
  readonly values: readonly TensorValue[];
  /** Where the greatest of its numbers is, which is the decision of several floating point numbers side by side. */
  readonly greatest: number | undefined;
}

/** Wider rows are no table any more. */
const WIDTH_MAX = 16;
const ROWS_MAX = 64;
const FLOATS: readonly string[] = ['FP16', 'BF16', 'FP32', 'FP64'];

/** A tensor as rows of a table, as far as it is one; undefined where a list of its values says as much. */
export function rowsOf({ shape, datatype, data }: RecordedTensor): readonly TensorRow[] | undefined {
  const width = shape.at(-1) ?? 1;
  if (!data || data.length === 0 || width > WIDTH_MAX || data.length !== shape.reduce((size, n) => size * n, 1)) {
    return undefined;
  }
  const others = shape.slice(0, -1);
  const count = data.length / width;
  if (count > ROWS_MAX) return undefined;
  return Array.from({ length: count }, (_, row) => {
    const values = data.slice(row * width, (row + 1) * width);
    const greatest = FLOATS.includes(datatype) && width > 1 ? greatestOf(values) : undefined;
    return { place: placeOf(row, others), values, greatest };
  });
}

/** `BYTES [2, 4]`; a scalar has no dimensions. */
export function formOf({ datatype, shape }: RecordedTensor): string {
  return `${datatype} [${shape.join(', ')}]`;
}

export function sizeOf({ shape }: RecordedTensor): number {
  return shape.reduce((size, n) => size * n, 1);
}

/** As JSON has it: texts in quotes, and null for what is no finite number. */
export function exactly(value: TensorValue): string {
  return JSON.stringify(value);
}

function placeOf(row: number, others: readonly number[]): string {
  const places: number[] = [];
  let left = row;
  for (const size of others.toReversed()) {
    places.unshift(left % size);
    left = Math.floor(left / size);
  }
  return places.join(', ');
}

/** The first of equals; none where what is no number stands between them. */
function greatestOf(values: readonly TensorValue[]): number | undefined {
  let greatest = 0;
  for (const [i, value] of values.entries()) {
    if (typeof value !== 'number') return undefined;
    if (value > (values[greatest] as number)) greatest = i;
  }
  return greatest;
}
