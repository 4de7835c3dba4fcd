import { type CheckFact, decideChecks } from './checks/decide-checks.ts';
import { decideArms } from './live/arms/decide-arms.ts';
import { decideLive, type LiveFact } from './live/decide-live.ts';
import { decide, isActive, type Outcome, type RolloutPlan, type RolloutState, withBlock } from './model.ts';
import { weightOf } from './weight.ts';

/** What can happen to a rollout, whatever its strategy. */
export type RolloutFact =
  | LiveFact
  | Extract<CheckFact, { readonly kind: 'checks' }>
  | { readonly kind: 'pause'; readonly reason: string }
  | { readonly kind: 'resume'; readonly reason: string };

interface Decidable {
  readonly state: RolloutState;
  readonly plan: RolloutPlan;
}

/** The one decision of every rollout: pure, so that it can be replayed. Nothing changes a rollout that has ended. */
export function decideRollout({ state, plan }: Decidable, fact: RolloutFact): Outcome {
  const unchanged: Outcome = { state, decision: null };
  if (!isActive(state.stage)) return unchanged;
  if (fact.kind === 'pause') return { state: { ...state, paused: { reason: fact.reason } }, decision: null };
  if (fact.kind === 'resume') {
    const { paused: _, ...running } = state;
    return running.stage === 'checking'
      ? decideChecks({ state: running, plan }, fact)
      : { state: running, decision: null };
  }
  if (state.stage === 'checking') {
    const decides = fact.kind === 'checks' || fact.kind === 'promote' || fact.kind === 'abort';
    return decides ? decideChecks({ state, plan }, fact) : unchanged;
  }
  if (fact.kind === 'checks') return unchanged;
  if (state.live?.arms && plan.live?.arms) {
    const live = { ...plan.live, arms: plan.live.arms };
    return decideArms(
      { state: { ...state, live: { ...state.live, arms: state.live.arms } }, plan: { ...plan, live } },
      fact,
    );
  }
  if (state.live && plan.live) {
    return decideLive({ state: { ...state, live: state.live }, plan: { ...plan, live: plan.live } }, fact);
  }
  if (fact.kind === 'observation' || fact.kind === 'outcomes') return unchanged;
  if (fact.kind === 'approve' || fact.kind === 'drop') return unchanged;
  const outcome = decide(state, fact, plan);
  if (!state.paused || fact.kind !== 'block' || !outcome.decision) return outcome;
  const goesOn = outcome.decision.to === 'completed' || outcome.decision.weight > weightOf(state, plan);
  return goesOn ? { state: withBlock(state, fact, plan), decision: null } : outcome;
}
