import { requireThat } from '../checks.ts';
import { ascending } from './ascending.ts';
import { interpolated } from './quantile.ts';

export type NumericColumn = Float32Array | Float64Array;
/** One value a row; `null` and `undefined` are missing. */
export type CategoryColumn = readonly (string | null | undefined)[];

/** How often each bin of frozen edges was hit. Counts of equal edges add up, so windows can be merged in any order. */
export interface NumericCounts {
  /** `max(1, edges.length − 1)` bins; the first and the last are open to the outside. */
  readonly bins: readonly number[];
  /** Values under the smallest edge: they are also in the first bin. A new range shows here before PSI sees it. */
  readonly below: number;
  /** Values over the largest edge: they are also in the last bin. */
  readonly above: number;
  /** NaN values; in no bin. */
  readonly missing: number;
}

export interface CategoryCounts {
  /** One count for each known category, in their order. */
  readonly bins: readonly number[];
  /** Values that are not a known category. */
  readonly other: number;
  readonly missing: number;
}

const binsMax = 1000;
const categoriesMax = 10_000;

/**
 * Edges frozen from a reference sample: its quantiles at 0, 1/bins, …, 1 by linear interpolation, equal edges merged,
 * so that each bin holds about the same share of the reference. NaN and values past ±1e300 are left out.
 *
 * When ties leave a single bin (a constant, a 0/1 flag, a column that is nearly always 0), a bin that covers everything
 * would hide every change. Then the smallest and the largest value become bins of their own, with one between them; for
 * a constant that gives "smaller, equal, larger". A reference without finite values has no edges, i.e. one bin.
 *
 * The result is plain numbers and survives JSON exactly. O(n log n) time, O(n) memory.
 */
export function frozenBins(values: NumericColumn, options: { readonly bins?: number } = {}): readonly number[] {
  const bins = options.bins ?? 10;
  const valid = Number.isInteger(bins) && bins >= 2 && bins <= binsMax;
  requireThat(valid, 'bins', `must be a whole number from 2 to ${binsMax}, not ${bins}`);
  const sorted = withoutExtremes(ascending(values));
  if (sorted.length === 0) return [];
  // Adding 0 turns −0 into 0, which JSON would do anyway.
  const edges: number[] = [];
  for (let i = 0; i <= bins; i++) {
    const edge = interpolated(sorted, (i * (sorted.length - 1)) / bins) + 0;
    if (edges.length === 0 || edge > edges[edges.length - 1]) edges.push(edge);
  }
  return edges.length > 2 ? edges : isolatedExtremes(edges[0], edges[edges.length - 1]);
}

/** What of a sorted list is between ±1e300: the ends beyond it are cut off. */
function withoutExtremes(sorted: NumericColumn): NumericColumn {
  let from = 0;
  let to = sorted.length;
  while (from < to && sorted[from] < -1e300) from++;
  while (to > from && sorted[to - 1] > 1e300) to--;
  return sorted.subarray(from, to);
}

function isolatedExtremes(low: number, high: number): readonly number[] {
  if (low < high) return [...new Set([low, nextUp(low), high, nextUp(high)])];
  return [nextDown(low), low, nextUp(low), nextUp(nextUp(low))];
}

/** The smallest double above `value`. */
function nextUp(value: number): number {
  if (value === 0) return Number.MIN_VALUE;
  const double = new Float64Array([value]);
  const bits = new BigInt64Array(double.buffer);
  bits[0] += value > 0 ? 1n : -1n;
  return double[0] + 0;
}

/** The largest double below `value`; under the smallest positive number that is 0, not −0, which JSON does not keep. */
function nextDown(value: number): number {
  return 0 - nextUp(-value);
}

/**
 * Counts `values` into the bins of `edges`: (−∞, e1), [e1, e2), …, [e_k, ∞) over the inner edges, a value equal to an
 * inner edge belonging to the bin above it. Infinities fall into the outer bins, NaN is counted as missing.
 * O(n log bins).
 */
export function countBins(edges: readonly number[], values: NumericColumn): NumericCounts {
  const inner = Float64Array.from(edges.slice(1, -1));
  for (let i = 1; i < edges.length; i++)
    requireThat(edges[i - 1] < edges[i], `edges.${i}`, 'must be in ascending order');
  const bins = new Array<number>(inner.length + 1).fill(0);
  const [smallest, largest] = edges.length > 0 ? [edges[0], edges[edges.length - 1]] : [-Infinity, Infinity];
  let below = 0;
  let above = 0;
  let missing = 0;
  for (const value of values) {
    if (Number.isNaN(value)) {
      missing++;
      continue;
    }
    if (value < smallest) below++;
    else if (value > largest) above++;
    bins[binOf(inner, value)]++;
  }
  return { bins, below, above, missing };
}

/**
 * How many inner edges are at or under `value`, by bisection. Its number of rounds depends on the edges alone and
 * comparisons are added as numbers, so that there is no branch that a processor could guess wrong.
 */
function binOf(inner: Float64Array, value: number): number {
  let bin = 0;
  let left = inner.length;
  while (left > 1) {
    const half = left >>> 1;
    bin += half * Number(inner[bin + half - 1] <= value);
    left -= half;
  }
  return left === 0 ? 0 : bin + Number(inner[bin] <= value);
}

/** Adds two counts over the same edges. Addition is associative and commutative: merged parts equal the whole. */
export function mergeCounts(a: NumericCounts, b: NumericCounts): NumericCounts {
  return {
    bins: sumOf(a.bins, b.bins),
    below: a.below + b.below,
    above: a.above + b.above,
    missing: a.missing + b.missing,
  };
}

/**
 * The categories of a reference, most frequent first (ties by name), at most `limit` of them; the rest is counted as
 * "other", so that an unbounded column keeps a bounded profile.
 */
export function frozenCategories(values: CategoryColumn, options: { readonly limit?: number } = {}): readonly string[] {
  const limit = options.limit ?? 50;
  const valid = Number.isInteger(limit) && limit >= 1 && limit <= categoriesMax;
  requireThat(valid, 'limit', `must be a whole number from 1 to ${categoriesMax}, not ${limit}`);
  const counts = new Map<string, number>();
  for (const value of values) if (value != null) counts.set(value, (counts.get(value) ?? 0) + 1);
  const ranked = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return ranked.slice(0, limit).map(([category]) => category);
}

/** Counts `values` by known category. O(n). */
export function countCategories(categories: readonly string[], values: CategoryColumn): CategoryCounts {
  const positions = new Map(categories.map((category, position) => [category, position]));
  requireThat(positions.size === categories.length, 'categories', 'must be distinct');
  const bins = new Array<number>(categories.length).fill(0);
  let other = 0;
  let missing = 0;
  for (const value of values) {
    if (value == null) {
      missing++;
      continue;
    }
    const position = positions.get(value);
    if (position === undefined) other++;
    else bins[position]++;
  }
  return { bins, other, missing };
}

/** Adds two counts over the same categories. */
export function mergeCategoryCounts(a: CategoryCounts, b: CategoryCounts): CategoryCounts {
  return { bins: sumOf(a.bins, b.bins), other: a.other + b.other, missing: a.missing + b.missing };
}

function sumOf(a: readonly number[], b: readonly number[]): readonly number[] {
  requireThat(a.length === b.length, 'bins', `must be equally many on both sides, not ${a.length} and ${b.length}`);
  return a.map((count, i) => count + b[i]);
}
