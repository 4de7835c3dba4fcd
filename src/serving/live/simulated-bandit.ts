import type { Random } from '#core/random';
import { gaussian } from '#math/test/simulated-traffic';
import { decideRollout } from '../decide.ts';
import { isActive, type RolloutPlan, startState } from '../model.ts';
import { weightOf } from '../weight.ts';
import { candidateShare, contextOf } from './context.ts';
import { policyOf, valuesOf } from './contextual.ts';
import { firstStage } from './decide-live.ts';
import type { Outcomes } from './observation.ts';

/** Requests with one number `x`, standard normal, and what each arm earns of one. */
export interface SimulatedRewards {
  readonly requestsPerBlock: number;
  /** The probability of a reward. */
  readonly current: (x: number) => number;
  readonly candidate: (x: number) => number;
}

export interface BanditEnd {
  /** Rewards that the better arm for each request would have had on top, in a thousand requests. */
  readonly regretPerMille: number;
  readonly requests: number;
  readonly propensities: { readonly least: number; readonly most: number };
  /** Of a contextual bandit: what it estimates of either revision alone. */
  readonly values: ReturnType<typeof valuesOf>;
}

/** Runs a bandit for `blocks` blocks with the decisions of the product, drawing arms as gateways do. */
export function simulateBandit(
  random: Random,
  plan: RolloutPlan & { readonly live: NonNullable<RolloutPlan['live']> },
  { rewards, blocks }: { readonly rewards: SimulatedRewards; readonly blocks: number },
): BanditEnd {
  let state = startState(plan, { stage: firstStage(plan.live), forced: false });
  let [regret, requests, least, most] = [0, 0, 1, 0];
  for (let block = 0; block < blocks && isActive(state.stage); block++) {
    const policy = policyOf(state.live?.contextual, plan.live);
    const rows: NonNullable<Outcomes['rows']> = [];
    for (let i = 0; i < rewards.requestsPerBlock; i++) {
      const x = gaussian(random);
      const share = policy
        ? candidateShare(
            policy,
            contextOf(policy.context, () => x),
          )
        : weightOf(state, plan) / 100;
      const arm = random.next() < share ? 'candidate' : 'current';
      const propensity = arm === 'candidate' ? share : 1 - share;
      rows.push({ arm, propensity, context: { x }, reward: random.next() < rewards[arm](x) ? 1 : 0 });
      regret += Math.max(rewards.current(x), rewards.candidate(x)) - rewards[arm](x);
      [least, most] = [Math.min(least, propensity), Math.max(most, propensity)];
    }
    requests += rows.length;
    const sums = (arm: 'current' | 'candidate') => {
      const own = rows.filter((row) => row.arm === arm);
      return { requests: own.length, sum: own.reduce((total, { reward }) => total + reward, 0) };
    };
    const [start, end] = [block * plan.live.blockMs, (block + 1) * plan.live.blockMs];
    const outcomes = { source: 'simulated', start, end, current: sums('current'), candidate: sums('candidate'), rows };
    state = decideRollout({ state, plan }, { kind: 'outcomes', outcomes }).state;
  }
  const { contextual } = state.live ?? {};
  return {
    ...{ regretPerMille: (1_000 * regret) / requests, requests, propensities: { least, most } },
    values: contextual ? valuesOf(contextual, plan.live) : [],
  };
}
