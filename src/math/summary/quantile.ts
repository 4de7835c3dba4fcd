import { requireThat } from '../checks.ts';

/**
 * Quantile `share` of values that are already sorted in ascending order, by linear interpolation between order
 * statistics at position `share · (n − 1)` (Hyndman and Fan 1996, type 7; the default of NumPy and R). O(1).
 */
export function quantileOfSorted(sorted: ArrayLike<number>, share: number): number {
  requireThat(sorted.length > 0, 'sorted', 'must hold at least one value');
  requireThat(share >= 0 && share <= 1, 'share', `must be from 0 to 1, not ${share}`);
  return interpolated(sorted, share * (sorted.length - 1));
}

/** Value at a fractional position of a sorted list; equal neighbours give exactly their value. */
export function interpolated(sorted: ArrayLike<number>, position: number): number {
  const below = Math.floor(position);
  const low = sorted[below];
  const high = sorted[Math.min(below + 1, sorted.length - 1)];
  return low + (high - low) * (position - below);
}
