import type { LivePlan } from '../live-spec.ts';
import { banditShares, MOVE_MIN } from '../shift.ts';
import { type ArmsState, armsIn, armWeights } from './arms-state.ts';

/**
 * The relative weights that a bandit sets at `at`, of the current revision first and of each arm, or undefined while
 * they stay as they are. Arms that are out have none. Pure.
 */
export function shiftOfArms(state: ArmsState, plan: LivePlan, at: number): readonly number[] | undefined {
  if (plan.strategy !== 'bandit' || plan.bandit.policy === 'linucb' || !plan.arms) return undefined;
  const within = armsIn(state);
  const rewards = [state.current.reward, ...within.map(({ totals }) => totals.reward)];
  if (Math.min(...rewards.map(({ count }) => count)) < plan.bandit.requestsMin) return undefined;
  if (state.shiftedAt !== null && at - state.shiftedAt < plan.bandit.everyMs) return undefined;
  const names = ['current', ...within.map(({ name }) => name)];
  const shares = new Map(banditShares(rewards, plan).map((share, i) => [names[i] ?? '', 100 * share]));
  const before = armWeights(state, plan.arms);
  if (!names.some((name) => Math.abs((shares.get(name) ?? 0) - (before.get(name) ?? 0)) >= MOVE_MIN)) return undefined;
  return ['current', ...state.arms.map(({ name }) => name)].map((name) => shares.get(name) ?? 0);
}
