import { requireCount, requireShare, requireThat } from '../checks.ts';
import { logBeta, logIncompleteBeta } from '../special/beta.ts';

export interface RateCheck {
  /** ln E, the evidence against "the rate is at most the limit"; under that hypothesis the mean of E is at most 1. */
  readonly logEvidence: number;
  /** Whether E has reached 1/α at this look. */
  readonly exceeded: boolean;
}

/**
 * One-sided anytime-valid check that an error rate exceeds a limit, for guardrails that look after each request: the
 * beta-binomial mixture (Robbins 1970) of likelihood ratios against the limit p0, over a Beta(1, b) prior cut to (p0,
 * 1]:
 *
 *     E = B(1 + k, b + n − k) · P(Beta(1 + k, b + n − k) > p0) / [ B(1, b) · (1 − p0)^b · p0^k · (1 − p0)^(n − k) ]
 *
 * For every rate p ≤ p0, E is a supermartingale that starts at 1, so P(E ever reaches 1/α) ≤ α (Ville 1939): exact for
 * every n, without a normal approximation. Act on the first look that is `exceeded`. The prior's mean is about 3·p0,
 * because a broken candidate usually fails some multiple of its limit; it steers power, never validity.
 *
 * Assumes that, as long as the rate is within the limit, each request fails with probability at most p0 given the past.
 * A burst that fails together counts as evidence, which is what a guardrail is for. O(√n).
 */
export function rateExceeds(
  sample: { readonly errors: number; readonly requests: number },
  options: { readonly limit: number; readonly alpha?: number },
): RateCheck {
  const { errors, requests } = sample;
  const { limit, alpha = 0.05 } = options;
  requireCount(requests, 'requests');
  requireCount(errors, 'errors');
  requireThat(errors <= requests, 'errors', `must be at most the ${requests} requests, not ${errors}`);
  requireShare(limit, 'limit');
  requireShare(alpha, 'alpha');
  const b = Math.max(1, 1 / (3 * limit));
  const posteriorA = 1 + errors;
  const posteriorB = b + requests - errors;
  const logTail = logIncompleteBeta(1 - limit, posteriorB, posteriorA);
  const logPrior = logBeta(1, b) + b * Math.log1p(-limit);
  const logLimit = errors * Math.log(limit) + (requests - errors) * Math.log1p(-limit);
  const logEvidence = logBeta(posteriorA, posteriorB) + logTail - logPrior - logLimit;
  return { logEvidence, exceeded: logEvidence >= -Math.log(alpha) };
}
