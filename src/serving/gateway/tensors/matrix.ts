import { FLOAT32_MAX } from './datatypes.ts';
import type { TensorInput } from './tensor.ts';

interface Matrix {
  /** Numbers of a row. */
  readonly width: number;
  readonly rowsMax: number;
}

/**
 * The rows of the one tensor `features` [N, width], NaN for a missing number: what most requests are, read without
 * giving each number its name first. `undefined` for anything else, right or wrong, which `instancesOf` reads or
 * refuses by name.
 */
export function rowsOfMatrix(
  tensors: readonly TensorInput[],
  { width, rowsMax }: Matrix,
): readonly (readonly number[])[] | undefined {
  const [tensor] = tensors;
  if (!tensor || tensors.length > 1 || tensor.name !== 'features' || tensor.datatype !== 'FP32') return undefined;
  const { shape, raw, data } = tensor;
  const [count = 0] = shape;
  if (shape.length !== 2 || shape[1] !== width || !Number.isSafeInteger(count) || count < 1 || count > rowsMax) {
    return undefined;
  }
  if (raw) {
    if (raw.length !== 4 * count * width) return undefined;
    const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
    return read(count, width, (i) => view.getFloat32(4 * i, true));
  }
  return Array.isArray(data) && data.length === count * width ? read(count, width, (i) => data[i]) : undefined;
}

function read(count: number, width: number, at: (i: number) => unknown): readonly (readonly number[])[] | undefined {
  const rows = new Array<readonly number[]>(count);
  for (let row = 0, i = 0; row < count; row++) {
    const numbers = new Array<number>(width);
    for (let column = 0; column < width; column++, i++) {
      const value = at(i);
      if (typeof value === 'number' && value <= FLOAT32_MAX && value >= -FLOAT32_MAX) numbers[column] = value;
      else if (value === null || Number.isNaN(value)) numbers[column] = Number.NaN;
      else return undefined;
    }
    rows[row] = numbers;
  }
  return rows;
}
