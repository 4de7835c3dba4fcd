import { type LinearArm, learnLinear, startLinearArm } from '#math/bandit/lin-ucb';
import { addDecision, emptyPolicyValue, estimatePolicy, type PolicyValue } from '#math/test/off-policy';
import { contextOf, type LinearPolicy } from './context.ts';
import type { LivePlan } from './live-spec.ts';
import type { Outcomes } from './observation.ts';

const POLICIES = ['current', 'candidate'] as const;
type Values = Readonly<Record<(typeof POLICIES)[number], { readonly ips: PolicyValue; readonly dr: PolicyValue }>>;

/** What a contextual bandit has learnt. Plain data: survives JSON. */
export interface ContextualState {
  /** The reward by context, of the current revision and of the candidate. */
  readonly arms: readonly LinearArm[];
  readonly rows: number;
  /** What was earned, and what each revision alone would have earned. */
  readonly earned: PolicyValue;
  readonly values: Values;
  /** What gateways go by, since when, and from how many rows; null while they draw by the declared share. */
  readonly pushed: { readonly arms: readonly LinearArm[]; readonly at: number; readonly rows: number } | null;
}

export const isContextual = ({ strategy, bandit }: Pick<LivePlan, 'strategy' | 'bandit'>): boolean =>
  strategy === 'bandit' && bandit.policy === 'linucb';

export function startContextual({ bandit }: LivePlan): ContextualState {
  const arm = startLinearArm(1 + (bandit.context ?? []).length);
  const none = { ips: emptyPolicyValue, dr: emptyPolicyValue };
  return {
    arms: [arm, arm],
    rows: 0,
    earned: emptyPolicyValue,
    values: { current: none, candidate: none },
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
  { bandit, metric }: LivePlan,
): ContextualState {
  const inputs = bandit.context ?? [];
  let { arms, earned, values } = state;
  for (const row of rows) {
    const context = contextOf(inputs, (place) => row.context[inputs[place]?.input ?? '']);
    const reward = metric?.better === 'lower' ? 1 - row.reward : row.reward;
    const arm = row.arm === 'candidate' ? 1 : 0;
    const logged = { arm, propensity: row.propensity, reward, predicted: arms.map((one) => expected(one, context)) };
    earned = addDecision(earned, { ...logged, propensity: 1, target: arm === 1 ? [0, 1] : [1, 0] }, 'ips');
    values = {
      current: valued(values.current, { ...logged, target: [1, 0] }),
      candidate: valued(values.candidate, { ...logged, target: [0, 1] }),
    };
    arms = arms.map((one, i) => (i === arm ? learnLinear(one, context, reward) : one));
  }
  return { ...state, arms, earned, values, rows: state.rows + rows.length };
}

function valued(of: Values['current'], decision: Parameters<typeof addDecision>[1]): Values['current'] {
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

/** What gateways go by; undefined while they draw by the declared share. */
export function policyOf(state: ContextualState | undefined, { bandit }: LivePlan): LinearPolicy | undefined {
  if (!state?.pushed) return undefined;
  const { context = [], width = 1, floor } = bandit;
  return { context, arms: state.pushed.arms, width, floor };
}

/** The mean reward of what was done, and of either revision alone, with confidence sequences. */
export function valuesOf({ earned, values }: ContextualState, { alpha }: Pick<LivePlan, 'alpha'>) {
  const shown = (of: PolicyValue) => {
    const { value, interval } = estimatePolicy(of, { alpha });
    return { value, low: interval?.low ?? null, high: interval?.high ?? null };
  };
  return [
    { policy: 'bandit' as const, ips: shown(earned), dr: null },
    ...POLICIES.map((policy) => ({ policy, ips: shown(values[policy].ips), dr: shown(values[policy].dr) })),
  ];
}
