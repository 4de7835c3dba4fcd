import type { Cause } from '#core/cause';
import { durationMs, formatDuration } from '#core/units';
import type { DecisionView, RuleSpec } from './contract.ts';

/** What a rule remembers. All times are event times in epoch milliseconds. */
export interface RuleState {
  /** The signal that waits for its debounce, or for a limit to pass. */
  readonly pending: {
    readonly since: number;
    readonly cause: Cause;
    readonly told: DecisionView['outcome'] | null;
  } | null;
  /** Times of past firings, oldest first, as far back as the budget looks. */
  readonly fired: readonly number[];
}

export const initialRuleState: RuleState = { pending: null, fired: [] };

/** What a rule learns: its alert fires or is resolved, or event time passes. */
export type RuleFact =
  | { readonly kind: 'firing'; readonly at: number; readonly cause: Cause }
  | { readonly kind: 'resolved'; readonly at: number }
  | { readonly kind: 'time'; readonly at: number };

export interface RuleDecision {
  readonly outcome: DecisionView['outcome'];
  readonly at: number;
  readonly reason: string;
  /** What a run that is started carries on; only of a firing. */
  readonly cause?: Cause;
}

/**
 * Decides what a rule does about one fact. Pure: state and fact determine the result. A signal that may not act yet
 * stays pending and acts when its limit has passed, if it is still firing then; each obstacle is told once.
 */
export function decide(
  rule: { readonly name: string; readonly spec: RuleSpec },
  state: RuleState,
  fact: RuleFact,
): { readonly state: RuleState; readonly decision: RuleDecision | null } {
  if (fact.kind === 'resolved') return resolve(state, fact.at);
  const waiting =
    fact.kind === 'firing' && !state.pending
      ? { ...state, pending: { since: fact.at, cause: fact.cause, told: null } }
      : state;
  if (!waiting.pending) return { state: waiting, decision: null };
  const obstacle = obstacleTo(rule, waiting, fact.at);
  if (obstacle === 'waiting') return { state: waiting, decision: null };
  if (obstacle) return tell(waiting, obstacle, fact.at);
  const { since, cause } = waiting.pending;
  const reason = `${rule.spec.on.monitor}/${rule.spec.on.alert} firing since ${new Date(since).toISOString()}`;
  const horizon = fact.at - durationMs(rule.spec.budget.per);
  return {
    state: { pending: null, fired: [...waiting.fired.filter((at) => at > horizon), fact.at] },
    decision: {
      outcome: 'fired',
      at: fact.at,
      reason,
      cause: { kind: 'rule', id: `rule/${rule.name}`, depth: cause.depth + 1, at: fact.at },
    },
  };
}

function resolve(state: RuleState, at: number): { state: RuleState; decision: RuleDecision | null } {
  if (!state.pending) return { state, decision: null };
  const reason = 'the signal was resolved before the rule could act';
  return { state: { ...state, pending: null }, decision: { outcome: 'resolved-early', at, reason } };
}

interface Obstacle {
  readonly outcome: DecisionView['outcome'];
  readonly reason: string;
}

function obstacleTo(
  { spec }: { readonly spec: RuleSpec },
  state: RuleState,
  at: number,
): Obstacle | 'waiting' | undefined {
  const pending = state.pending;
  if (!pending || at - pending.since < durationMs(spec.debounce)) return 'waiting';
  if (!spec.enabled) return { outcome: 'disabled', reason: 'the rule is switched off' };
  if (pending.cause.depth + 1 > spec.depthMax) {
    const steps = `${pending.cause.depth} automatic steps`;
    const reason = `the signal is itself ${steps} away from a person, the limit is ${spec.depthMax}`;
    return { outcome: 'loop', reason };
  }
  const last = state.fired.at(-1);
  if (last !== undefined && at - last < durationMs(spec.cooldown)) {
    const reason = `fired ${formatDuration(at - last)} ago, cools down for ${spec.cooldown}`;
    return { outcome: 'cooling-down', reason };
  }
  const recent = state.fired.filter((time) => time > at - durationMs(spec.budget.per)).length;
  if (recent >= spec.budget.firings) {
    return { outcome: 'over-budget', reason: `fired ${recent} times within ${spec.budget.per}, the budget is spent` };
  }
  return undefined;
}

function tell(state: RuleState, obstacle: Obstacle, at: number): { state: RuleState; decision: RuleDecision | null } {
  if (state.pending?.told === obstacle.outcome) return { state, decision: null };
  const pending = state.pending && { ...state.pending, told: obstacle.outcome };
  return { state: { ...state, pending }, decision: { ...obstacle, at } };
}

/** The parameters of the run that a firing starts: `${at}` becomes the firing's event time. */
export function runParams(spec: RuleSpec, at: number): Record<string, string | number | boolean> {
  const iso = new Date(at).toISOString();
  return Object.fromEntries(
    Object.entries(spec.run.params).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.replaceAll(/\$\{at\}/g, iso) : value,
    ]),
  );
}
