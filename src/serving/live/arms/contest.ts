import { isContextual } from '../contextual.ts';
import { type Finding, isHarmful, metricOf } from '../evidence.ts';
import { findingSentence } from '../live-sentence.ts';
import type { LivePlan } from '../live-spec.ts';
import type { Hold } from '../live-state.ts';
import { type ArmState, ofOneArm } from './arms-state.ts';

/** How an arm stands: as much of what its measures show as decides anything here. */
export interface Standing {
  readonly arm: ArmState;
  /** Some measure is shown to be worse. */
  readonly harmful: boolean;
  readonly metric: Finding | undefined;
  /** Its lead over the current revision, turned so that more is better. */
  /** Null while there is too little for an interval, and without a metric. */
  readonly advantage: { readonly estimate: number; readonly low: number; readonly high: number } | null;
}

export function standingOf(arm: ArmState, plan: LivePlan): Standing {
  if (isContextual(plan)) return { arm, harmful: false, metric: undefined, advantage: null };
  const metric = plan.metric ? metricOf(arm.evidence, plan.metric) : undefined;
  const harmful = metric?.verdict === 'worse' || isHarmful(arm.evidence, ofOneArm(plan));
  const { estimate = null, low = null, high = null } = metric ?? {};
  if (estimate === null || low === null || high === null) return { arm, harmful, metric, advantage: null };
  const lower = plan.metric?.better === 'lower';
  return {
    ...{ arm, harmful, metric },
    advantage: lower ? { estimate: -estimate, low: -high, high: -low } : { estimate, low, high },
  };
}

/**
 * The arm that is shown to be better than this one. All intervals are of differences from the same current revision and
 * hold together at every look, so one that lies wholly above another has won against it.
 */
export function beatenBy({ arm, advantage }: Standing, field: readonly Standing[]): Standing | undefined {
  if (!advantage) return undefined;
  return field.find((other) => other.arm !== arm && other.advantage && other.advantage.low > advantage.high);
}

interface Contest {
  readonly winner?: { readonly arm: ArmState; readonly because: string };
  /** Why nobody has won. */
  readonly hold: Hold;
}

/**
 * Who has won: an arm that is better than the current revision by the margin, when no other arm may be better than that
 * one by the margin. When time is over (`late`), the one of those that are better that has earned most.
 */
export function contest(field: readonly Standing[], plan: LivePlan, late: boolean): Contest {
  if (isContextual(plan))
    return { hold: { kind: 'no-harm-found', sentence: 'each request gets its arm; a person ends it' } };
  if (!plan.metric) {
    return { hold: { kind: 'no-harm-found', sentence: 'no metric is declared: a person promotes an arm' } };
  }
  const better = field.filter(({ metric }) => metric?.verdict === 'better');
  const [leader, ...rest] = better.toSorted((a, b) => rankOf(b, late) - rankOf(a, late));
  if (!leader?.advantage || !leader.metric) return { hold: openOf(field, plan) };
  const { margin } = plan.metric;
  const { low } = leader.advantage;
  const rivals = field.filter((one) => one !== leader && (one.advantage?.high ?? Infinity) - low > margin);
  const told = `arm '${leader.arm.name}': ${findingSentence(leader.metric, plan)}`;
  if (rivals.length === 0)
    return { winner: { arm: leader.arm, because: `Best is ${told}` }, hold: openOf(field, plan) };
  const names = rivals.map(({ arm }) => `'${arm.name}'`).join(', ');
  if (late) {
    const because = `Time is over, and of what is better the best so far is ${told}; ${names} may be as good`;
    return { winner: { arm: leader.arm, because }, hold: openOf(field, plan) };
  }
  const also = rest.length > 0 ? `${better.length} arms are better than the current revision` : told;
  return { hold: { kind: 'undecided', sentence: `${also}, and ${names} may be better than '${leader.arm.name}'` } };
}

const rankOf = ({ advantage }: Standing, late: boolean): number => (late ? advantage?.estimate : advantage?.low) ?? 0;

function openOf(field: readonly Standing[], plan: LivePlan): Hold {
  const few = field.filter(({ arm }) => arm.totals.scored < plan.requestsMin);
  if (few.length > 0) {
    const counts = few.map(({ arm }) => `'${arm.name}' ${arm.totals.scored}`).join(', ');
    return { kind: 'sample', sentence: `requests so far: ${counts}; ${plan.requestsMin} of each are needed` };
  }
  return { kind: 'undecided', sentence: 'no arm is shown to be better than the current revision' };
}
