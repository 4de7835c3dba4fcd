import { numberType } from './datatypes.ts';
import { rowsOf } from './rows.ts';
import type { Tensor } from './tensor.ts';

/** How two answers to the same request differ. */
export interface TensorDifference {
  /** Of all numbers that both have, the greatest |a − b|. */
  readonly maxAbs: number;
  /** And the greatest |a − b| ÷ max(|a|, |b|). */
  readonly maxRel: number;
  /**
   * Whether another decision follows from them; undefined where nothing in them is one. A text, a whole number and a
   * truth value are decisions; so is, of several floating point numbers side by side, which is the greatest.
   */
  readonly flipped: boolean | undefined;
  /** Other shapes, datatypes, or numbers of which one is NaN or infinite and the other is not. */
  readonly unlike: boolean;
}

const FLOATS = new Set(['FP16', 'BF16', 'FP32', 'FP64']);

/** Compares the outputs of two models, by name. An output that one of them lacks makes them unlike. */
export function compareTensors(a: readonly Tensor[], b: readonly Tensor[]): TensorDifference {
  const found = { maxAbs: 0, maxRel: 0, flipped: undefined as boolean | undefined, unlike: a.length !== b.length };
  for (const one of a) {
    const other = b.find(({ name }) => name === one.name);
    const alike = other && other.datatype === one.datatype && String(other.shape) === String(one.shape);
    if (!alike) {
      found.unlike = true;
      continue;
    }
    const flipped = decidesOtherwise(one, other);
    if (flipped !== undefined) found.flipped = flipped || found.flipped === true;
    const [left, right] = [numbersOf(one), numbersOf(other)];
    for (let i = 0; i < left.length; i++) {
      const x = left[i] as number;
      const y = right[i] as number;
      if (Object.is(x, y)) continue;
      const difference = Math.abs(x - y);
      if (!Number.isFinite(difference)) {
        found.unlike = true;
        continue;
      }
      found.maxAbs = Math.max(found.maxAbs, difference);
      // Zero of either sign is the same number.
      if (difference > 0) found.maxRel = Math.max(found.maxRel, difference / Math.max(Math.abs(x), Math.abs(y)));
    }
  }
  return found;
}

/** The values as numbers, as far as there are any: 64-bit ones past 2^53 come out rounded, texts not at all. */
export function numbersOf({ datatype, values }: Tensor): ArrayLike<number> {
  const format = numberType(datatype);
  if (!format || Array.isArray(values)) return [];
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) return Float64Array.from(values, Number);
  if (!format.rawOnly) return values as ArrayLike<number>;
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  return Float32Array.from({ length: values.length }, (_, i) => format.read(view, i * format.bytes));
}

function decidesOtherwise(a: Tensor, b: Tensor): boolean | undefined {
  if (!FLOATS.has(a.datatype)) {
    const others: readonly unknown[] = Array.from<unknown>(b.values);
    return Array.from<unknown>(a.values).some((value, i) => value !== others[i]);
  }
  const width = a.shape.at(-1) ?? 1;
  if (a.shape.length < 2 || width < 2 || rowsOf(a) === 0) return undefined;
  const [left, right] = [numbersOf(a), numbersOf(b)];
  for (let from = 0; from < left.length; from += width) {
    if (greatest(left, from, width) !== greatest(right, from, width)) return true;
  }
  return false;
}

/** The place of the first of the greatest values. */
function greatest(values: ArrayLike<number>, from: number, width: number): number {
  let best = 0;
  for (let i = 1; i < width; i++) {
    if ((values[from + i] as number) > (values[from + best] as number)) best = i;
  }
  return best;
}
