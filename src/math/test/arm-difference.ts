import { refuse, requireCount } from '../checks.ts';
import type { Block } from './block-sequence.ts';

/** The requests of one arm in one block of time, with the sum of what was measured on them. */
export interface ArmSums {
  readonly requests: number;
  readonly sum: number;
}

/**
 * The difference of two arms that answered *different* requests of one block, as a block for the sequence of
 * differences: weight w = n₀n₁/(n₀ + n₁) and sum w·(mean of the baseline − mean of the candidate), which is positive
 * when the candidate has less of it (errors, milliseconds).
 *
 * This is the stratified difference of Mantel and Haenszel (1959; Greenland and Robins 1985) with blocks as strata:
 * what all requests of a block share leaves it, and if the arms are alike its mean is 0 given all that happened in the
 * block but who got which request. An arm without requests in the block gives weight 0, which tells nothing. O(1).
 */
export function armDifference(baseline: ArmSums, candidate: ArmSums): Block {
  requireCount(baseline.requests, 'baseline.requests');
  requireCount(candidate.requests, 'candidate.requests');
  if (!Number.isFinite(baseline.sum)) refuse('baseline.sum', `must be a finite number, not ${baseline.sum}`);
  if (!Number.isFinite(candidate.sum)) refuse('candidate.sum', `must be a finite number, not ${candidate.sum}`);
  const total = baseline.requests + candidate.requests;
  if (baseline.requests === 0 || candidate.requests === 0) return { requests: 0, differenceSum: 0 };
  return {
    requests: (baseline.requests * candidate.requests) / total,
    differenceSum: (candidate.requests * baseline.sum - baseline.requests * candidate.sum) / total,
  };
}
