import { refuse, requireThat } from '../checks.ts';

/**
 * Population stability index of two counts over the same bins: Σ (q − p) · ln(q / p) with p, q the shares of reference
 * and current window; the symmetrised Kullback–Leibler divergence (Jeffreys 1946), as used in credit scoring (Siddiqi
 * 2006).
 *
 * Smoothing convention: a share of exactly 0 is replaced by `epsilon` (default 1e-4) and nothing is renormalised; a
 * bin that is empty on both sides adds 0. Other tools floor or re-bin differently, so compare only values of one
 * convention.
 *
 * At least 0, and 0 exactly when the shares are equal. `null` when either window is empty. O(bins).
 */
export function psi(
  reference: ArrayLike<number>,
  current: ArrayLike<number>,
  options: { readonly epsilon?: number } = {},
): number | null {
  const epsilon = options.epsilon ?? 1e-4;
  requireThat(epsilon > 0 && epsilon < 1, 'epsilon', `must be strictly between 0 and 1, not ${epsilon}`);
  const bins = reference.length;
  requireThat(current.length === bins, 'current', `must have the ${bins} bins of the reference, not ${current.length}`);
  const referenceTotal = totalOf(reference, 'reference');
  const currentTotal = totalOf(current, 'current');
  if (referenceTotal === 0 || currentTotal === 0) return null;
  let sum = 0;
  for (let i = 0; i < bins; i++) {
    const p = reference[i] / referenceTotal || epsilon;
    const q = current[i] / currentTotal || epsilon;
    sum += (q - p) * Math.log(q / p);
  }
  return sum;
}

function totalOf(counts: ArrayLike<number>, field: string): number {
  let total = 0;
  for (let i = 0; i < counts.length; i++) {
    if (!(counts[i] >= 0 && counts[i] < Infinity)) refuse(`${field}.${i}`, `must be a count, not ${counts[i]}`);
    total += counts[i];
  }
  return total;
}
