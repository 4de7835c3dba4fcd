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
 * sequence does not. Assumes that each trial succeeds with the same probability whatever came before. The ends are
 * found by bisection to the last bit; O(1).
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
  const evidence = logBeta(prior.a + successes, prior.b + failures) - logBeta(prior.a, prior.b);
  const refuted = (p: number): boolean => {
    const likelihood =
      (successes === 0 ? 0 : successes * Math.log(p)) + (failures === 0 ? 0 : failures * Math.log1p(-p));
    return evidence - likelihood >= -Math.log(alpha);
  };
  const estimate = successes / trials;
  return {
    low: successes === 0 ? 0 : edge(0, estimate, refuted),
    high: failures === 0 ? 1 : edge(1, estimate, refuted),
  };
}

/** The outermost value towards `outside` that is not refuted; `inside` never is. */
function edge(outside: number, inside: number, refuted: (p: number) => boolean): number {
  let [out, within] = [outside, inside];
  for (;;) {
    const middle = (out + within) / 2;
    if (middle === out || middle === within) return within;
    if (refuted(middle)) out = middle;
    else within = middle;
  }
}
