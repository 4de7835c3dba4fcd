import { firstStage } from '../live/decide-live.ts';
import type { Decision, Outcome, RolloutPlan, RolloutState, Stage } from '../model.ts';
import { consequenceOf } from '../sentence.ts';
import { weightOf } from '../weight.ts';
import type { CheckResult } from './check-result.ts';

/** What can change a rollout whose candidate is being checked. */
export type CheckFact =
  | { readonly kind: 'checks'; readonly results: readonly CheckResult[] }
  | { readonly kind: 'resume'; readonly reason: string }
  | { readonly kind: 'promote' | 'abort'; readonly reason: string };

interface Checked {
  readonly state: RolloutState;
  readonly plan: RolloutPlan;
}

/** The stage in which a rollout begins once its candidate has passed its checks. */
export function stageAfterChecks(plan: RolloutPlan): Stage {
  return plan.live && typeof plan.checks?.shadowMs !== 'number' ? firstStage(plan.live) : 'shadow';
}

/**
 * The checks before traffic: the first report of a gateway decides. A pause keeps its findings until the rollout is
 * resumed.
 */
export function decideChecks({ state, plan }: Checked, fact: CheckFact): Outcome {
  switch (fact.kind) {
    case 'checks': {
      const found = new Set(fact.results.map(({ check }) => check));
      const checks = [...(state.checks ?? []).filter(({ check }) => !found.has(check)), ...fact.results];
      return judge({ state: { ...state, checks }, plan });
    }
    case 'resume':
      return judge({ state, plan });
    case 'promote':
      return change({ state, plan }, stageAfterChecks(plan), `Promoted by hand past its checks: ${fact.reason}`);
    case 'abort':
      return change({ state, plan }, 'aborted', `Aborted by hand: ${fact.reason}`);
  }
}

function judge({ state, plan }: Checked): Outcome {
  const { checks = [] } = state;
  const { golden, load } = plan.checks ?? {};
  const known = (name: CheckResult['check']): boolean => checks.some(({ check }) => check === name);
  if (state.paused || (golden && !known('golden')) || (load && !known('load'))) return { state, decision: null };
  const failures = checks.filter(({ passed }) => !passed);
  const told = (failures.length > 0 ? failures : checks).map(({ sentence }) => sentence).join('; ');
  if (failures.length > 0 && plan.checks?.onFailure === 'note') {
    const because = `The candidate failed its checks before traffic, which the endpoint only notes: ${told}`;
    return change({ state, plan }, stageAfterChecks(plan), because);
  }
  if (failures.length > 0) {
    return change({ state, plan }, 'refused', `The candidate failed its checks before traffic: ${told}`);
  }
  return change({ state, plan }, stageAfterChecks(plan), `The candidate passed its checks before traffic: ${told}`);
}

function change({ state, plan }: Checked, to: Stage, because: string): Outcome {
  const after: RolloutState = { ...state, stage: to, step: 0 };
  const weight = weightOf(after, plan);
  const decision: Decision = {
    ...{ from: state.stage, to, weight, at: null, figures: null },
    sentence: `${because}; ${consequenceOf(to, weight)}.`,
    ...(state.checks ? { checks: state.checks } : {}),
  };
  return { state: after, decision };
}
