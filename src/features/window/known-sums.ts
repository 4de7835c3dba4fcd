import type { EntityWindows } from './entity-windows.ts';
import { settle, type WindowSums } from './sliding-sums.ts';
import { timeOrder } from './time-order.ts';

/**
 * Sums over event-time windows that see only the rows known by the time of the query. Rows become visible
 * in the order of knowledge time and leave a window in the order of event time, so it is no queue: a segment tree over
 * the event-time positions takes a row when it becomes known and answers a range in O(log rows), adding only.
 */
export class KnownSums {
  readonly #known: Float64Array;
  readonly #sums: Float64Array;
  readonly #errors: Float64Array;
  readonly #counts: Int32Array;
  #knownOrder: Int32Array = new Int32Array(0);
  #leaves = 0;

  constructor(rowsMax: number) {
    this.#known = new Float64Array(rowsMax);
    this.#sums = new Float64Array(2 * rowsMax);
    this.#errors = new Float64Array(2 * rowsMax);
    this.#counts = new Int32Array(2 * rowsMax);
  }

  /** Prepares for the entity that `windows` has loaded; its rows are on the event-time axis. */
  load(windows: EntityWindows, knownMs: Float64Array): void {
    const rows = windows.rowCount;
    windows.gather(knownMs, this.#known);
    this.#knownOrder = timeOrder(this.#known.subarray(0, rows));
    this.#leaves = rows;
  }

  /** Per window length the sums of `values` by position; NaN counts as absent. */
  into(targets: readonly WindowSums[], values: Float64Array, windows: EntityWindows): void {
    this.#sums.fill(0, 0, 2 * this.#leaves);
    this.#errors.fill(0, 0, 2 * this.#leaves);
    this.#counts.fill(0, 0, 2 * this.#leaves);
    const known = this.#known;
    const order = this.#knownOrder;
    let entered = 0;
    for (let q = 0; q < windows.queryCount; q++) {
      const t = windows.queryTimes[q]!;
      for (; entered < order.length && known[order[entered]!]! < t; entered++) {
        const value = values[order[entered]!]!;
        if (!Number.isNaN(value)) this.#enter(order[entered]!, value);
      }
      for (let w = 0; w < targets.length; w++) {
        this.#answer(targets[w]!, q, { lower: windows.lower[w]![q]!, upper: windows.upper[q]! });
      }
    }
  }

  #enter(position: number, value: number): void {
    for (let node = position + this.#leaves; node > 0; node >>= 1) this.#add(node, value);
  }

  #add(node: number, value: number): void {
    const sum = this.#sums[node]!;
    const next = sum + value;
    const part = next - sum;
    this.#sums[node] = next;
    this.#errors[node] = this.#errors[node]! + (sum - (next - part) + (value - part));
    this.#counts[node] = this.#counts[node]! + 1;
  }

  #answer(target: WindowSums, query: number, range: { lower: number; upper: number }): void {
    let sum = 0;
    let error = 0;
    let count = 0;
    let left = range.lower + this.#leaves;
    let right = range.upper + this.#leaves;
    while (left < right) {
      let node = 0;
      if (left & 1) node = left++;
      else if (right & 1) node = --right;
      else {
        left >>= 1;
        right >>= 1;
        continue;
      }
      const value = this.#sums[node]!;
      const next = sum + value;
      const part = next - sum;
      error += sum - (next - part) + (value - part) + this.#errors[node]!;
      sum = next;
      count += this.#counts[node]!;
    }
    target.sums[query] = settle(sum, error);
    target.counts[query] = count;
  }
}
