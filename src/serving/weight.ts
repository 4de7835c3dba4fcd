import { shareOfArms } from './live/arms/arms-state.ts';
import type { RolloutPlan, RolloutState } from './model.ts';

/** The candidate's share of the answers in percent, of several all together; the current revision has the rest. */
export function weightOf(
  { stage, step, live }: Pick<RolloutState, 'stage' | 'step' | 'live'>,
  plan: Pick<RolloutPlan, 'steps' | 'live'>,
): number {
  if (stage === 'canary' && live?.arms && plan.live?.arms) return shareOfArms(live.arms, plan.live.arms);
  if (stage === 'canary') return live?.shifted?.weight ?? (plan.live ?? plan).steps[step] ?? 0;
  return stage === 'probation' || stage === 'completed' ? 100 : 0;
}
