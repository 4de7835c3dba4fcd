import { type LinearArm, learnLinear, startLinearArm } from '#math/bandit/lin-ucb';
import { addDecision, emptyPolicyValue, estimatePolicy, type PolicyValue } from '#math/test/off-policy';
import { contextOf, type LinearPolicy } from './context.ts';
import type { LivePlan } from './live-spec.ts';
import type { Outcomes } from './observation.ts';

interface ArmValue {
  readonly ips: PolicyValue;
  readonly dr: PolicyValue;
}

/** The arms in the order in which they are learnt and drawn. */
export const namesOf = ({ arms }: Pick<LivePlan, 'arms'>): readonly string[] => [
  'current',
  ...(arms?.map(({ name }) => name) ?? ['candidate']),
];

/** What a contextual bandit has learnt. Plain data: survives JSON. */
export interface ContextualState {
  /** The reward by context, of the current revision and of each candidate. */
  readonly arms: readonly LinearArm[];
  readonly rows: number;
  /** What was earned, and what each revision alone would have earned. */
  readonly earned: PolicyValue;
  readonly values: Readonly<Record<string, ArmValue>>;
  /** What gateways go by, since when, and from how many rows; null while they draw by the declared share. */
  readonly pushed: { readonly arms: readonly LinearArm[]; readonly at: number; readonly rows: number } | null;
}

export const isContextual = ({ strategy, bandit }: Pick<LivePlan, 'strategy' | 'bandit'>): boolean =>
  strategy === 'bandit' && bandit.policy === 'linucb';

export function startContextual(plan: LivePlan): ContextualState {
  const arm = startLinearArm(1 + (plan.bandit.context ?? []).length);
  const names = namesOf(plan);
  return {
    arms: names.map(() => arm),
    rows: 0,
    earned: emptyPolicyValue,
    values: Object.fromEntries(names.map((name) => [name, NO_VALUE])),
    pushed: null,
  };
}

/**
 * Learns from rewarded requests, one by one: each is predicted before it is learnt from, so the doubly robust values
 * rest on predictions of rows not seen.
 */
export function withRewards(
  state: ContextualState,
  rows: NonNullable<Outcomes['rows']>,
  plan: LivePlan,
): ContextualState {
  const { bandit, metric } = plan;
  const inputs = bandit.context ?? [];
  const names = namesOf(plan);
  const only = names.map((_, arm) => names.map((_, i) => (i === arm ? 1 : 0)));
  let { arms, earned, values, rows: learnt } = state;
  for (const row of rows) {
    const arm = names.indexOf(row.arm);
    if (arm < 0) continue;
    learnt += 1;
    const context = contextOf(inputs, (place) => row.context[inputs[place]?.input ?? '']);
    const reward = metric?.better === 'lower' ? 1 - row.reward : row.reward;
    const logged = { arm, propensity: row.propensity, reward, predicted: arms.map((one) => expected(one, context)) };
    earned = addDecision(earned, { ...logged, propensity: 1, target: only[arm] ?? [] }, 'ips');
    values = Object.fromEntries(
      names.map((name, i) => [name, valued(values[name] ?? NO_VALUE, { ...logged, target: only[i] ?? [] })]),
    );
    arms = arms.map((one, i) => (i === arm ? learnLinear(one, context, reward) : one));
  }
  return { ...state, arms, earned, values, rows: learnt };
}

const NO_VALUE: ArmValue = { ips: emptyPolicyValue, dr: emptyPolicyValue };

function valued(of: ArmValue, decision: Parameters<typeof addDecision>[1]): ArmValue {
  return { ips: addDecision(of.ips, decision, 'ips'), dr: addDecision(of.dr, decision, 'dr') };
}

/** θᵀx with θ = A⁻¹b. */
function expected({ inverse, b }: LinearArm, context: readonly number[]): number {
  return inverse.reduce(
    (sum, row, i) => sum + (context[i] as number) * row.reduce((part, cell, j) => part + cell * (b[j] as number), 0),
    0,
  );
}

/** The state with what it has learnt given to gateways, when there is enough new; undefined while there is not. */
export function pushedAt(state: ContextualState, at: number, { bandit }: LivePlan): ContextualState | undefined {
  const { pushed, rows, arms } = state;
  if (rows - (pushed?.rows ?? 0) < bandit.requestsMin) return undefined;
  if (pushed && at - pushed.at < bandit.everyMs) return undefined;
  return { ...state, pushed: { arms, at, rows } };
}

/** What gateways go by; undefined while they draw by the declared share. Of several candidates, those `within` only. */
export function policyOf(
  state: ContextualState | undefined,
  plan: Pick<LivePlan, 'bandit' | 'arms'>,
  within?: ReadonlySet<string>,
): LinearPolicy | undefined {
  if (!state?.pushed) return undefined;
  const { context = [], width = 1, floor } = plan.bandit;
  if (!plan.arms) return { context, arms: state.pushed.arms, width, floor };
  const all = namesOf(plan);
  const isIn = (name: string | undefined): boolean => name === 'current' || (within?.has(name ?? '') ?? true);
  const arms = state.pushed.arms.filter((_, i) => isIn(all[i]));
  return { context, names: all.filter(isIn), arms, width, floor };
}

/** The mean reward of what was done, and of each revision alone, with confidence sequences. */
export function valuesOf({ earned, values }: ContextualState, plan: Pick<LivePlan, 'alpha' | 'arms'>) {
  const { alpha } = plan;
  const shown = (of: PolicyValue) => {
    const { value, interval } = estimatePolicy(of, { alpha });
    return { value, low: interval?.low ?? null, high: interval?.high ?? null };
  };
  return [
    { policy: 'bandit', ips: shown(earned), dr: null },
    ...namesOf(plan).map((policy) => {
      const { ips, dr } = values[policy] ?? NO_VALUE;
      return { policy, ips: shown(ips), dr: shown(dr) };
    }),
  ];
}
