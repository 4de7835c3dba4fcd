import { refuse, requireCount, requireShare, requireThat } from '../checks.ts';

/** Requests of one arm in one block of time, and how many of them failed. */
export interface ArmFailures {
  readonly requests: number;
  readonly failures: number;
}

/** ln of the wealth of a bet on each ratio of {@link RATIOS}. Plain data: survives JSON. */
export interface FailureShare {
  /** How many times the odds of failing may be those of the baseline. */
  readonly tolerated: number;
  readonly logWealth: readonly number[];
}

export interface FailureCheck {
  /** ln E; under "the odds are at most so many times as high" the mean of E is at most 1 at whatever look. */
  readonly logEvidence: number;
  readonly worse: boolean;
}

/** Odds over those tolerated that are bet on, in equal parts. */
const RATIOS = [1.2, 1.5, 2, 3, 5, 10, 30, 100] as const;
const LOG_RATIOS = RATIOS.map((ratio) => Math.log(ratio));

/**
 * Are the odds that the candidate fails more than `tolerated` times those of the baseline? Exact for small counts and
 * at every look, whatever the error rate does over time.
 *
 * Within a block of time the requests are alike: if the odds of n₁ requests of the candidate are t times those of n₀
 * of the baseline, a failure is the candidate's with probability at most w = tn₁/(tn₁ + n₀). So the evidence against
 * that is bets on failures alone: for a ratio r they say the probability is q = rw/(rw + 1 − w), and pay
 *
 *     (q/w)^(failures of the candidate) · ((1 − q)/(1 − w))^(failures of the baseline)
 *
 * whose mean under the null is at most 1: given their total, the failures of the candidate follow Fisher's noncentral
 * hypergeometric law, a sum of independent trials (Harkness 1965), under which a convex function has at most its mean
 * under the binomial law (Hoeffding 1956). The average over r is a supermartingale (Ville 1939). A morning in which
 * everything fails moves both arms and pays nothing. Blocks in which only one arm has requests tell nothing.
 *
 * With `tolerated` 1 any difference within a block is held against the candidate, one that the weather brings and takes
 * away again too: tolerate what comes and goes, and leave the rest to sums over blocks (`test/block-ladder`). So too
 * where one key makes many requests and always gets the same arm: then failures come together. O(ratios) a block.
 */
export function startFailureShare(options: { readonly tolerated?: number } = {}): FailureShare {
  const { tolerated = 1 } = options;
  requireThat(tolerated >= 1 && tolerated <= 1e6, 'tolerated', `must be from 1 to a million, not ${tolerated}`);
  return { tolerated, logWealth: RATIOS.map(() => 0) };
}

export function addFailures(state: FailureShare, baseline: ArmFailures, candidate: ArmFailures): FailureShare {
  checkArm(baseline, 'baseline');
  checkArm(candidate, 'candidate');
  if (baseline.requests === 0 || candidate.requests === 0) return state;
  if (baseline.failures + candidate.failures === 0) return state;
  const weighted = state.tolerated * candidate.requests;
  const share = weighted / (baseline.requests + weighted);
  return {
    ...state,
    logWealth: RATIOS.map((ratio, i) => {
      const denominator = ratio * share + 1 - share;
      const payout =
        candidate.failures * (LOG_RATIOS[i] as number) -
        (candidate.failures + baseline.failures) * Math.log(denominator);
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

function checkArm({ requests, failures }: ArmFailures, name: 'baseline' | 'candidate'): void {
  requireCount(requests, `${name}.requests`);
  requireCount(failures, `${name}.failures`);
  if (failures > requests) refuse(`${name}.failures`, `must be at most the ${requests} requests, not ${failures}`);
}
