export type CurveAxis = 'step' | 'time' | 'relative';

export interface Points {
  readonly steps: readonly number[];
  /** Epoch milliseconds. */
  readonly timestamps: readonly number[];
  /** NaN where the run logged one. */
  readonly values: readonly number[];
}

export interface Curve {
  readonly x: readonly number[];
  /** Null leaves a gap: what is no number, and on a logarithmic axis what is not above 0. */
  readonly y: readonly (number | null)[];
}

/**
 * A curve over one of its axes, in the order of the axis. Time is in seconds; `relative` counts from the first point.
 * Of several points of one step the last logged stands.
 */
export function curveOf({ steps, timestamps, values }: Points, axis: CurveAxis): Curve {
  const first = timestamps.reduce((least, at) => Math.min(least, at), Number.POSITIVE_INFINITY);
  const place = (index: number): number => {
    if (axis === 'step') return steps[index] ?? 0;
    return ((timestamps[index] ?? 0) - (axis === 'relative' ? first : 0)) / 1_000;
  };
  const x: number[] = [];
  const y: (number | null)[] = [];
  for (const index of inOrder(values.length, place)) {
    const value = values[index] ?? Number.NaN;
    if (x.at(-1) === place(index)) {
      x.pop();
      y.pop();
    }
    x.push(place(index));
    y.push(Number.isFinite(value) ? value : null);
  }
  return { x, y };
}

function inOrder(count: number, place: (index: number) => number): readonly number[] {
  const indices = Array.from({ length: count }, (_, index) => index);
  const isSorted = indices.every((index) => index === 0 || place(index - 1) <= place(index));
  return isSorted ? indices : indices.toSorted((a, b) => place(a) - place(b) || a - b);
}

/**
 * The exponential moving average with weight `w` in [0, 1) on the past, divided by 1 − w^n so that it does not lean
 * towards 0 at the start (the bias correction of Adam, Kingma and Ba 2015, section 3). Gaps stay gaps.
 */
export function smoothed(values: readonly (number | null)[], w: number): readonly (number | null)[] {
  if (w <= 0) return values;
  let sum = 0;
  let weight = 1;
  return values.map((value) => {
    if (value === null) return null;
    sum = w * sum + (1 - w) * value;
    weight *= w;
    return sum / (1 - weight);
  });
}

/** A logarithmic axis has no place for what is not above 0. */
export function positive(values: readonly (number | null)[]): readonly (number | null)[] {
  return values.map((value) => (value !== null && value > 0 ? value : null));
}
