import { requireCount, requireShare, requireThat } from '../checks.ts';

/** Requests of one arm in one block of time, and how many of them failed. */
export interface ArmFailures {
  readonly requests: number;
  readonly failures: number;
}

/** ln of the wealth of a bet on each ratio of {@link RATIOS}. Plain data: survives JSON. */
export interface FailureShare {
  readonly logWealth: readonly number[];
}

export interface FailureCheck {
  /** ln E; under "the candidate fails no more often" the mean of E is at most 1 at whatever look. */
  readonly logEvidence: number;
  readonly worse: boolean;
}

/** How many times as often the candidate may fail: what is bet on, in equal parts. */
const RATIOS = [1.2, 1.5, 2, 3, 5, 10, 30, 100] as const;

/**
 * Does the candidate fail more often than the baseline? Exact for small counts and at every look, whatever the error
 * rate does over time.
 *
 * Within a block of time the requests are exchangeable: if the arms fail alike, each of its failures is the
 * candidate's with probability w = its share of the block's requests. So the evidence against that is bets on failures
 * alone: for a ratio r they say the probability is q = rw/(rw + 1 − w), and pay
 *
 *     (q/w)^(failures of the candidate) · ((1 − q)/(1 − w))^(failures of the baseline)
 *
 * whose mean under the null is at most 1: the failures of the candidate follow a hypergeometric law, under which a
 * convex function has at most its mean under the binomial one (Hoeffding 1963). The average over r is a
 * supermartingale (Ville 1939). A morning in which everything fails moves both arms and pays nothing. Blocks in which
 * only one arm has requests tell nothing.
 *
 * Where one key makes many requests and always gets the same arm, its failures come together and are not exchangeable:
 * use sums over blocks (`test/block-ladder`) there. O(ratios) a block.
 */
export function startFailureShare(): FailureShare {
  return { logWealth: RATIOS.map(() => 0) };
}

export function addFailures(state: FailureShare, baseline: ArmFailures, candidate: ArmFailures): FailureShare {
  checkArm(baseline, 'baseline');
  checkArm(candidate, 'candidate');
  if (baseline.requests === 0 || candidate.requests === 0) return state;
  if (baseline.failures + candidate.failures === 0) return state;
  const share = candidate.requests / (baseline.requests + candidate.requests);
  return {
    logWealth: RATIOS.map((ratio, i) => {
      const denominator = ratio * share + 1 - share;
      const payout =
        candidate.failures * Math.log(ratio) - (candidate.failures + baseline.failures) * Math.log(denominator);
      return (state.logWealth[i] as number) + payout;
    }),
  };
}

export function checkFailures(state: FailureShare, options: { readonly alpha?: number } = {}): FailureCheck {
  const { alpha = 0.05 } = options;
  requireShare(alpha, 'alpha');
  const top = Math.max(...state.logWealth);
  const mean = state.logWealth.reduce((sum, log) => sum + Math.exp(log - top), 0) / state.logWealth.length;
  const logEvidence = top + Math.log(mean);
  return { logEvidence, worse: logEvidence >= -Math.log(alpha) };
}

function checkArm({ requests, failures }: ArmFailures, name: string): void {
  requireCount(requests, `${name}.requests`);
  requireCount(failures, `${name}.failures`);
  requireThat(failures <= requests, `${name}.failures`, `must be at most the ${requests} requests, not ${failures}`);
}
