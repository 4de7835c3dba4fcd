import { refuse, requireCount, requireShare } from '../checks.ts';
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
  if (successes > trials) refuse('successes', `must be at most the ${trials} trials, not ${successes}`);
  requireShare(alpha, 'alpha');
  if (!(prior.a > 0 && prior.b > 0 && prior.a + prior.b < 1e9)) refuse('prior', 'must have positive, finite a and b');
  if (trials === 0) return { low: 0, high: 1 };
  const failures = trials - successes;
  // ln of the ratio over its threshold at p: convex, and negative at the estimate.
  const level = logBeta(prior.a + successes, prior.b + failures) - logBeta(prior.a, prior.b) + Math.log(alpha);
  const curve = { level, successes, failures };
  const [low, high] = wilson(curve);
  return { low: successes === 0 ? 0 : edge(curve, low, 0), high: failures === 0 ? 1 : edge(curve, high, 1) };
}

interface Curve {
  readonly level: number;
  readonly successes: number;
  readonly failures: number;
}

/** The same two zeros for the normal law (Wilson 1927): near enough to begin with. */
function wilson({ level, successes, failures }: Curve): readonly [low: number, high: number] {
  const trials = successes + failures;
  const share = successes / trials;
  const inside = level - (successes && successes * Math.log(share)) - (failures && failures * Math.log1p(-share));
  const square = (-2 * inside) / trials;
  const middle = share + square / 2;
  const half = Math.sqrt(square * (share * (1 - share) + square / 4));
  return [(middle - half) / (1 + square), (middle + half) / (1 + square)];
}

/**
 * The zero of the curve on the side of the guess: Newton's method, which after its first step stays outside, where a
 * convex curve is over its tangent. A step past 0 or 1 (`outside`) goes half of the way there instead.
 */
function edge({ level, successes, failures }: Curve, guess: number, outside: 0 | 1): number {
  let p = guess;
  for (let i = 0; i < NEWTON_STEPS_MAX; i++) {
    const value = level - (successes && successes * Math.log(p)) - (failures && failures * Math.log1p(-p));
    const step = value / (failures / (1 - p) - successes / p);
    const next = p - step > 0 && p - step < 1 ? p - step : (p + outside) / 2;
    if (!Number.isFinite(next) || Math.abs(next - p) <= 1e-14 * Math.max(p, 1e-6)) break;
    p = next;
  }
  return Math.min(1, Math.max(0, p));
}

const NEWTON_STEPS_MAX = 100;
