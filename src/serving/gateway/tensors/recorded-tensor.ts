import { type Digest, digestOf } from '#core/hash';
import { numbersOf } from './compare.ts';
import { rawOf } from './encode.ts';
import type { Tensor } from './tensor.ts';

/** A tensor as it is kept with a prediction: whole, or of one that is too large its digest and some of its values. */
export interface RecordedTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  /** Row by row. Null for NaN and infinities, a text for a whole number past 2^53. */
  readonly data?: readonly RecordedValue[];
  /** SHA-256 of its bytes as they travel: little-endian, each text after its length in four bytes. */
  readonly digest?: Digest;
  /** Values at equal distances, beginning with the first. */
  readonly sample?: readonly RecordedValue[];
}

type RecordedValue = number | string | boolean | null;

/** Values of one tensor that are kept, and of all tensors of a prediction together. */
const VALUES_MAX = 256;
const VALUES_TOTAL_MAX = 1_024;
const TEXT_CHARS_MAX = 200;
const TEXT_CHARS_TOTAL_MAX = 16_384;
const SAMPLE = 16;
/** Tensors on each side of a prediction that are kept. */
const TENSORS_MAX = 64;

/** How much of one prediction is left to keep. */
export class RecordBudget {
  #values = VALUES_TOTAL_MAX;
  #chars = TEXT_CHARS_TOTAL_MAX;

  /** The first 64 of the tensors, each whole where it has few enough values and there is room for them. */
  keep(tensors: readonly Tensor[]): RecordedTensor[] {
    return tensors.slice(0, TENSORS_MAX).map((tensor) => this.#keepOne(tensor));
  }

  #keepOne(tensor: Tensor): RecordedTensor {
    const { name, datatype, shape, values } = tensor;
    const chars = Array.isArray(values) ? values.reduce((sum, text) => sum + text.length, 0) : 0;
    const common = { name, datatype, shape };
    if (values.length <= Math.min(VALUES_MAX, this.#values) && chars <= this.#chars) {
      this.#values -= values.length;
      this.#chars -= chars;
      return { ...common, data: valuesOf(tensor, 0, values.length) };
    }
    const step = Math.max(1, Math.floor(values.length / SAMPLE));
    const sample = Array.from({ length: Math.min(SAMPLE, values.length) }, (_, i) => valuesOf(tensor, i * step, 1)[0]);
    return { ...common, digest: digestOf(rawOf(values)), sample: sample.map(shortened) };
  }
}

function shortened(value: RecordedValue | undefined): RecordedValue {
  return typeof value === 'string' ? value.slice(0, TEXT_CHARS_MAX) : (value ?? null);
}

function valuesOf(tensor: Tensor, from: number, count: number): RecordedValue[] {
  const values = tensor.values.slice(from, from + count);
  if (Array.isArray(values)) return values;
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    return Array.from(values, (value) => (Number.isSafeInteger(Number(value)) ? Number(value) : String(value)));
  }
  const numbers = Array.from(numbersOf({ ...tensor, values }));
  if (tensor.datatype === 'BOOL') return numbers.map((value) => value !== 0);
  return numbers.map((value) => (Number.isFinite(value) ? value : null));
}
