import { seededRandom } from '#core/random';
import type { Shares } from '#math/bandit/bandit';
import { epsilonGreedyShares, softmaxShares } from '#math/bandit/greedy';
import { thompsonShares } from '#math/bandit/thompson';
import type { LiveEvidence } from './evidence.ts';
import type { LivePlan } from './live-spec.ts';
import type { LiveState } from './live-state.ts';

const TEMPERATURE = 0.02;
const DRAWS = 4_000;
/** Points of the traffic: to move less is not worth a new routing table. */
const MOVE_MIN = 1;

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
  const share = 100 * (sharesOf(live.evidence, plan)[1] as number);
  const rounded = Math.round(100 * share) / 100;
  return Math.abs(rounded - weight) < MOVE_MIN ? undefined : rounded;
}

/** Draws are seeded by what was seen, so that the decision can be repeated. */
function sharesOf({ rewards }: LiveEvidence, { bandit }: LivePlan): Shares {
  const arms = [rewards.current, rewards.candidate];
  const { policy, floor, topTwo = 0 } = bandit;
  switch (policy) {
    case 'thompson':
      return thompsonShares(arms, seededRandom(rewards.current.count + rewards.candidate.count), {
        floor,
        draws: DRAWS,
        topTwo,
      });
    case 'epsilon-greedy':
      return epsilonGreedyShares(arms, { epsilon: 2 * floor });
    case 'linucb':
      return [0.5, 0.5];
    case 'softmax':
      return softmaxShares(arms, { temperature: TEMPERATURE, floor });
  }
}
