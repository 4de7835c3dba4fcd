import { requireCount, requireShare, requireThat } from '../checks.ts';
import { logGamma } from '../special/gamma.ts';

/**
 * Evidence that requests are not split as declared (a sample-ratio mismatch), over all splits a rollout had. Plain
 * data: survives JSON.
 */
export interface Allocation {
  /** ln of the evidence from splits that are over. */
  readonly past: number;
  /** The declared split, positive and summing to 1, and what was counted under it. */
  readonly shares: readonly number[];
  readonly counts: readonly number[];
}

export interface AllocationCheck {
  /** ln E. Under the declared splits the mean of E is at most 1 at whatever look. */
  readonly logEvidence: number;
  /** Always-valid: at most `p` with probability at most p, however often one looks. */
  readonly pValue: number;
  readonly mismatch: boolean;
}

/** Concentration of the mixture around the declared split: tuned to deviations of a tenth, valid for all. */
const CONCENTRATION = 100;

/**
 * Sequential test of a sample ratio (Lindon and Malek 2022): a Dirichlet mixture, centred on the declared shares θ,
 * of multinomial likelihood ratios against θ,
 *
 *     E = Γ(κ)/Γ(κ + n) · Π Γ(κθ_i + n_i)/Γ(κθ_i) / Π θ_i^(n_i)
 *
 * A χ² test that is repeated at every look finds mismatches that are not there; this one may be looked at after each
 * request. It takes assignments as independent: count each key once where assignment is sticky.
 */
export function startAllocation(shares: readonly number[]): Allocation {
  requireThat(shares.length >= 2 && shares.length <= 100, 'shares', `must be 2 to 100, not ${shares.length}`);
  requireThat(
    shares.every((share) => share > 0),
    'shares',
    'must all be positive',
  );
  const sum = shares.reduce((total, share) => total + share, 0);
  return { past: 0, shares: shares.map((share) => share / sum), counts: shares.map(() => 0) };
}

export function addAssignments(state: Allocation, counts: readonly number[]): Allocation {
  requireThat(counts.length === state.counts.length, 'counts', `must be ${state.counts.length}, not ${counts.length}`);
  for (const count of counts) requireCount(count, 'counts');
  return { ...state, counts: state.counts.map((count, i) => count + (counts[i] as number)) };
}

/** Another split from now on. The product of evidence from one split and then the next is evidence again. */
export function splitAnew(state: Allocation, shares: readonly number[]): Allocation {
  return { ...startAllocation(shares), past: logEvidenceOf(state) };
}

/** `mismatch` when the evidence reaches 1/α; .001 is the level that experimenters warn at. O(arms). */
export function checkAllocation(state: Allocation, options: { readonly alpha?: number } = {}): AllocationCheck {
  const { alpha = 0.001 } = options;
  requireShare(alpha, 'alpha');
  const logEvidence = logEvidenceOf(state);
  return { logEvidence, pValue: Math.min(1, Math.exp(-logEvidence)), mismatch: logEvidence >= -Math.log(alpha) };
}

function logEvidenceOf({ past, shares, counts }: Allocation): number {
  let total = 0;
  let logRatio = 0;
  for (let i = 0; i < shares.length; i++) {
    const share = shares[i] as number;
    const count = counts[i] as number;
    const prior = CONCENTRATION * share;
    total += count;
    logRatio += logGamma(prior + count) - logGamma(prior) - count * Math.log(share);
  }
  return past + logRatio + logGamma(CONCENTRATION) - logGamma(CONCENTRATION + total);
}
