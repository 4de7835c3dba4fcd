import { requireCount, requireShare, requireThat } from '../checks.ts';
import { logBeta } from '../special/beta.ts';
import type { ConfidenceInterval } from './confidence-sequence.ts';

/** Beta prior of the mixture: steers where the sequence is narrow, never whether it holds. */
export interface SharePrior {
  readonly a: number;
  readonly b: number;
}

const UNIFORM: SharePrior = { a: 1, b: 1 };

/**
 * Confidence sequence of a share from single yes-or-no trials (Robbins 1970): the shares p that the beta-binomial
 * mixture of likelihood ratios does not refute,
 *
 *     { p : B(a + k, b + n − k) / [B(a, b) · p^k · (1 − p)^(n − k)] < 1/α }
 *
 * For the true p the ratio is a martingale that starts at 1, so with probability at least 1 − α the set holds it at
 * every n at once (Ville 1939). Nothing is approximated, so it holds from the first trial on, where the asymptotic
 * sequence does not. Assumes that each trial succeeds with the same probability whatever came before. O(1).
 */
export function shareSequence(
  sample: { readonly successes: number; readonly trials: number },
  options: { readonly alpha?: number; readonly prior?: SharePrior } = {},
): ConfidenceInterval {
  const { successes, trials } = sample;
  const { alpha = 0.05, prior = UNIFORM } = options;
  requireCount(trials, 'trials');
  requireCount(successes, 'successes');
  requireThat(successes <= trials, 'successes', `must be at most the ${trials} trials, not ${successes}`);
  requireShare(alpha, 'alpha');
  requireThat(prior.a > 0 && prior.b > 0 && prior.a + prior.b < 1e9, 'prior', 'must have positive, finite a and b');
  if (trials === 0) return { low: 0, high: 1 };
  const failures = trials - successes;
  // ln of the ratio over its threshold at p: convex, and negative at the estimate.
  const level = logBeta(prior.a + successes, prior.b + failures) - logBeta(prior.a, prior.b) + Math.log(alpha);
  const excess: Curve = {
    at: (p) => level - (successes && successes * Math.log(p)) - (failures && failures * Math.log1p(-p)),
    slope: (p) => failures / (1 - p) - successes / p,
  };
  const estimate = successes / trials;
  return {
    low: successes === 0 ? 0 : edge(excess, estimate, 0),
    high: failures === 0 ? 1 : edge(excess, estimate, 1),
  };
}

interface Curve {
  at(p: number): number;
  slope(p: number): number;
}

/** The zero of the curve between the two: Newton's method from outside, where a convex curve is over its tangent. */
function edge(curve: Curve, inside: number, outside: number): number {
  let part = 1 / 64;
  let p = inside + (outside - inside) * part;
  while (curve.at(p) < 0 && part < 1 - 1e-12) {
    part = 1 - (1 - part) * (part < 0.5 ? 1 - part : 0.5);
    p = inside + (outside - inside) * part;
  }
  for (let i = 0; i < NEWTON_STEPS_MAX; i++) {
    const next = p - curve.at(p) / curve.slope(p);
    if (!Number.isFinite(next) || Math.abs(next - p) <= 1e-15 * Math.max(p, 1e-6)) break;
    p = next;
  }
  return Math.min(1, Math.max(0, p));
}

const NEWTON_STEPS_MAX = 100;
