import { requireCount, requireThat } from '../checks.ts';

/**
 * Likelihood ratio of the mixture sequential probability ratio test (mSPRT; Johari, Pekelis and Walsh 2017; Robbins
 * 1970) for two Bernoulli arms whose observations arrive in pairs, with a N(0, τ²) mixture over the difference:
 *
 *     Λ = √(V/(V + nτ²)) · exp(n²τ²(p_t − p_c)² / (2V(V + nτ²))),   V = p_c(1 − p_c) + p_t(1 − p_t)
 *
 * Reject equality at the first n with Λ ≥ 1/α; the always-valid p-value is the running minimum of 1/Λ, at most 1.
 * Λ = 1 while V = 0. Asymptotic (V is estimated) and for independent pairs only. O(1).
 */
export function bernoulliMixtureRatio(
  pairs: { readonly count: number; readonly control: number; readonly treatment: number },
  options: { readonly tau2: number },
): number {
  const { count, control, treatment } = pairs;
  const { tau2 } = options;
  requireCount(count, 'count');
  requireThat(control >= 0 && control <= count, 'control', `must be from 0 to the ${count} pairs, not ${control}`);
  requireThat(
    treatment >= 0 && treatment <= count,
    'treatment',
    `must be from 0 to the ${count} pairs, not ${treatment}`,
  );
  requireThat(tau2 > 0 && tau2 < Infinity, 'tau2', `must be a positive number, not ${tau2}`);
  const p = control / count;
  const q = treatment / count;
  const variance = p * (1 - p) + q * (1 - q);
  if (!(variance > 0)) return 1;
  const spread = variance + count * tau2;
  return Math.sqrt(variance / spread) * Math.exp((count * count * tau2 * (q - p) ** 2) / (2 * variance * spread));
}
