import { requireCount, requireShare, requireThat } from '../checks.ts';
import { inverseIncompleteBeta } from '../special/beta.ts';
import type { ConfidenceInterval } from './confidence-sequence.ts';

/**
 * Exact interval of a proportion (Clopper and Pearson 1934): quantiles α/2 of Beta(k, n − k + 1) and 1 − α/2 of
 * Beta(k + 1, n − k). Holds the truth with at least the stated confidence for every n and p, for one look at
 * independent trials. Without trials it is [0, 1]. O(√n).
 */
export function proportionInterval(
  sample: { readonly successes: number; readonly trials: number },
  options: { readonly confidence?: number } = {},
): ConfidenceInterval {
  const { successes, trials } = sample;
  const { confidence = 0.95 } = options;
  requireCount(trials, 'trials');
  requireCount(successes, 'successes');
  requireThat(successes <= trials, 'successes', `must be at most the ${trials} trials, not ${successes}`);
  requireShare(confidence, 'confidence');
  const tail = (1 - confidence) / 2;
  return {
    low: successes === 0 ? 0 : inverseIncompleteBeta(tail, successes, trials - successes + 1),
    high: successes === trials ? 1 : inverseIncompleteBeta(1 - tail, successes + 1, trials - successes),
  };
}
