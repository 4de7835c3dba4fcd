import { seededRandom } from '#core/random';
import type { ArmReward, Shares } from '#math/bandit/bandit';
import { epsilonGreedyShares, softmaxShares } from '#math/bandit/greedy';
import { thompsonShares } from '#math/bandit/thompson';
import type { LivePlan } from './live-spec.ts';
import type { LiveState } from './live-state.ts';

const TEMPERATURE = 0.02;
const DRAWS = 4_000;
/** Points of the traffic: to move less is not worth a new routing table. */
export const MOVE_MIN = 1;

/** The candidate's share in percent that a bandit sets at `at`, or undefined while it stays as it is. Pure. */
export function shiftOf(
  live: LiveState,
  plan: LivePlan,
  { at, weight }: { at: number; weight: number },
): number | undefined {
  if (plan.strategy !== 'bandit' || plan.bandit.policy === 'linucb') return undefined;
  const { everyMs, requestsMin } = plan.bandit;
  const { current, candidate } = live.evidence.rewards;
  if (Math.min(current.count, candidate.count) < requestsMin) return undefined;
  if (live.shifted && at - live.shifted.at < everyMs) return undefined;
  const share = 100 * (banditShares([current, candidate], plan)[1] as number);
  const rounded = Math.round(100 * share) / 100;
  return Math.abs(rounded - weight) < MOVE_MIN ? undefined : rounded;
}

/**
 * The shares of arms by what they have earned, the current revision first. Draws are seeded by what was seen, so that
 * the decision can be repeated.
 */
export function banditShares(arms: readonly ArmReward[], { bandit }: Pick<LivePlan, 'bandit'>): Shares {
  const { policy, floor, topTwo = 0 } = bandit;
  switch (policy) {
    case 'thompson': {
      const seen = arms.reduce((sum, { count }) => sum + count, 0);
      return thompsonShares(arms, seededRandom(seen), { floor, draws: DRAWS, topTwo });
    }
    case 'epsilon-greedy':
      return epsilonGreedyShares(arms, { epsilon: arms.length * floor });
    case 'linucb':
      return arms.map(() => 1 / arms.length);
    case 'softmax':
      return softmaxShares(arms, { temperature: TEMPERATURE, floor });
  }
}
