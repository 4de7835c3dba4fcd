/** Windows over positions: query `q` covers `[lower[q], upper[q])`; neither bound falls from one query to the next. */
export interface SlidingRanges {
  readonly lower: Int32Array;
  readonly upper: Int32Array;
  readonly count: number;
}

/** Per query the sum of the values in its window that are not NaN, and how many those are. */
export interface WindowSums {
  readonly sums: Float64Array;
  readonly counts: Int32Array;
}

/**
 * Sums of sliding windows in O(1) amortized per row and query, by two stacks (Tangwongsan, Hirzel, Schneider, "In-order
 * sliding-window aggregation in worst-case constant time", VLDB Journal 2021): suffix sums of the older part of the
 * window and a running sum of the newer part. Nothing is ever subtracted, so a huge or infinite value touches only the
 * windows that contain it. Every addition keeps its rounding error (TwoSum, Knuth, TAOCP volume 2, 4.2.2), which makes
 * the result independent of the order of additions for all practical values: the online read, which adds in another
 * order, gives the same double.
 */
export class SlidingSums {
  readonly #suffix: Float64Array;
  readonly #suffixError: Float64Array;
  readonly #values: Float64Array;
  readonly #missing: Int32Array;
  #anyMissing = false;

  constructor(rowsMax: number) {
    this.#suffix = new Float64Array(rowsMax + 1);
    this.#suffixError = new Float64Array(rowsMax + 1);
    this.#values = new Float64Array(rowsMax);
    this.#missing = new Int32Array(rowsMax + 1);
  }

  /** Takes the values of `rowCount` positions; NaN counts as absent. */
  load(values: Float64Array, rowCount: number): void {
    const own = this.#values;
    const missing = this.#missing;
    let absent = 0;
    for (let p = 0; p < rowCount; p++) {
      const value = values[p]!;
      missing[p] = absent;
      own[p] = Number.isNaN(value) ? 0 : value;
      if (Number.isNaN(value)) absent++;
    }
    missing[rowCount] = absent;
    this.#anyMissing = absent > 0;
  }

  into({ sums, counts }: WindowSums, ranges: SlidingRanges): void {
    countRanges(counts, ranges);
    if (this.#anyMissing) {
      const missing = this.#missing;
      for (let q = 0; q < ranges.count; q++) {
        counts[q] = counts[q]! - missing[ranges.upper[q]!]! + missing[ranges.lower[q]!]!;
      }
    }
    this.#slide(sums, ranges);
  }

  #slide(sums: Float64Array, { lower, upper, count }: SlidingRanges): void {
    const values = this.#values;
    const suffix = this.#suffix;
    const suffixError = this.#suffixError;
    let middle = -1; // the older part is [lower, middle), the newer [middle, end)
    let end = 0;
    let newer = 0;
    let newerError = 0;
    for (let q = 0; q < count; q++) {
      const lo = lower[q]!;
      const hi = upper[q]!;
      if (lo >= middle) {
        let sum = 0;
        let error = 0;
        for (let p = hi - 1; p >= lo; p--) {
          const value = values[p]!;
          const next = sum + value;
          const part = next - sum;
          error += sum - (next - part) + (value - part);
          sum = next;
          suffix[p] = sum;
          suffixError[p] = error;
        }
        suffix[hi] = 0;
        suffixError[hi] = 0;
        middle = hi;
        end = hi;
        newer = 0;
        newerError = 0;
        sums[q] = settle(sum, error);
      } else {
        for (; end < hi; end++) {
          const value = values[end]!;
          const next = newer + value;
          const part = next - newer;
          newerError += newer - (next - part) + (value - part);
          newer = next;
        }
        const older = suffix[lo]!;
        const sum = older + newer;
        const part = sum - older;
        sums[q] = settle(sum, older - (sum - part) + (newer - part) + suffixError[lo]! + newerError);
      }
    }
  }
}

/** The number of positions in every window. */
export function countRanges(counts: Int32Array, { lower, upper, count }: SlidingRanges): void {
  for (let q = 0; q < count; q++) counts[q] = upper[q]! - lower[q]!;
}

/** The sum with its rounding error added. Of a sum that is infinite or NaN the error means nothing. */
export function settle(sum: number, error: number): number {
  return Number.isNaN(error) ? sum : sum + error;
}
