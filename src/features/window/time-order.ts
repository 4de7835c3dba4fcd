const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
/** Below this length the histogram of a radix pass costs more than the insertions. */
const INSERTION_ROWS_MAX = 48;

/**
 * The row numbers in ascending order of `times` (whole numbers whose range is below 2^53), equal times in row order.
 * Radix sort from the least significant digit on (Knuth, TAOCP volume 3, 5.2.5); input in order costs one scan.
 */
export function timeOrder(times: Float64Array): Int32Array {
  const n = times.length;
  const order = new Int32Array(n);
  let inOrder = true;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let row = 0; row < n; row++) {
    const t = times[row]!;
    order[row] = row;
    if (t < max) inOrder = false;
    if (t < min) min = t;
    if (t > max) max = t;
  }
  if (inOrder) return order;
  if (n <= INSERTION_ROWS_MAX) return insertionSort(times, order);
  return radixSort(times, order, { min, range: max - min });
}

function insertionSort(times: Float64Array, order: Int32Array): Int32Array {
  for (let i = 1; i < order.length; i++) {
    const row = order[i]!;
    const t = times[row]!;
    let j = i - 1;
    while (j >= 0 && times[order[j]!]! > t) {
      order[j + 1] = order[j]!;
      j--;
    }
    order[j + 1] = row;
  }
  return order;
}

function radixSort(times: Float64Array, order: Int32Array, span: { min: number; range: number }): Int32Array {
  const n = order.length;
  const starts = new Int32Array(DIGITS + 1);
  let from = order;
  let to: Int32Array = new Int32Array(n);
  for (let scale = 1; scale <= span.range; scale *= DIGITS) {
    // A power of two, so the products below are exact; `&` drops their fraction and everything above 32 bits.
    const inverse = 1 / scale;
    starts.fill(0);
    for (let row = 0; row < n; row++) {
      const digit = ((times[row]! - span.min) * inverse) & (DIGITS - 1);
      starts[digit + 1] = starts[digit + 1]! + 1;
    }
    for (let digit = 0; digit < DIGITS; digit++) starts[digit + 1] = starts[digit + 1]! + starts[digit]!;
    for (let i = 0; i < n; i++) {
      const row = from[i]!;
      const digit = ((times[row]! - span.min) * inverse) & (DIGITS - 1);
      const place = starts[digit]!;
      to[place] = row;
      starts[digit] = place + 1;
    }
    [from, to] = [to, from];
  }
  return from;
}

/** Row numbers by group: group `g` owns `rows[starts[g]]` up to, not including, `rows[starts[g + 1]]`. */
export interface GroupedRows {
  readonly starts: Int32Array;
  readonly rows: Int32Array;
  readonly largest: number;
}

/** Distributes the rows over their groups (a negative group drops the row), keeping `order` inside each group. */
export function groupRows(groupOf: Int32Array, groups: number, order: Int32Array): GroupedRows {
  const starts = new Int32Array(groups + 1);
  for (let row = 0; row < groupOf.length; row++) {
    const group = groupOf[row]!;
    if (group >= 0) starts[group + 1] = starts[group + 1]! + 1;
  }
  let largest = 0;
  for (let group = 0; group < groups; group++) {
    largest = Math.max(largest, starts[group + 1]!);
    starts[group + 1] = starts[group + 1]! + starts[group]!;
  }
  const next = starts.slice(0, groups);
  const rows = new Int32Array(starts[groups]!);
  for (let i = 0; i < order.length; i++) {
    const row = order[i]!;
    const group = groupOf[row]!;
    if (group < 0) continue;
    const place = next[group]!;
    rows[place] = row;
    next[group] = place + 1;
  }
  return { starts, rows, largest };
}
