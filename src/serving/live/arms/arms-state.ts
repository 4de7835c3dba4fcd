import type { ArmReward } from '#math/bandit/bandit';
import { type Allocation, addAssignments, splitAnew, startAllocation } from '#math/test/allocation';
import {
  emptyEvidence,
  type Finding,
  findingsOf,
  type LiveEvidence,
  rewarded,
  withObservation,
  withOutcomes,
} from '../evidence.ts';
import type { LivePlan } from '../live-spec.ts';
import type { Observation, Outcomes } from '../observation.ts';
import type { ArmPlan, OUT_KINDS } from './arms-spec.ts';

export interface ArmOut {
  readonly kind: (typeof OUT_KINDS)[number];
  /** Time of the traffic; null before there was any. */
  readonly at: number | null;
  readonly sentence: string;
}

/** What was counted of one arm, for people; what decides is the evidence. */
export interface ArmTotals {
  readonly answered: number;
  readonly logLatencySum: number;
  readonly scored: number;
  readonly failures: number;
  /** The metric as it was reported, and as bandits take it: from 0 to 1 a request, more is better. */
  readonly earned: Outcomes['current'];
  readonly reward: ArmReward;
}

export interface ArmState {
  readonly name: string;
  /** Of this arm against the current revision, as of the one candidate of other rollouts; still once it is out. */
  readonly evidence: LiveEvidence;
  readonly totals: ArmTotals;
  readonly out: ArmOut | null;
}

/** Several candidates at once. Plain data: survives JSON. */
export interface ArmsState {
  readonly arms: readonly ArmState[];
  readonly current: ArmTotals;
  /** Relative weights as a bandit has set them, of the current revision first; null where the plan says them. */
  readonly weights: readonly number[] | null;
  readonly shiftedAt: number | null;
  /** Who shared the traffic in the split that is counted, the current revision first. */
  readonly split: { readonly names: readonly string[]; readonly allocation: Allocation } | null;
  /** For which arm the rollout stands: the one that is promoted, or was taken out last. */
  readonly lead: string | null;
}

const NONE: ArmTotals = {
  ...{ answered: 0, logLatencySum: 0, scored: 0, failures: 0 },
  ...{ earned: { requests: 0, sum: 0 }, reward: { count: 0, sum: 0 } },
};

export function startArms(plan: LivePlan, arms: readonly ArmPlan[]): ArmsState {
  return {
    arms: arms.map(({ name }) => ({ name, evidence: emptyEvidence(ofOneArm(plan)), totals: NONE, out: null })),
    ...{ current: NONE, weights: null, shiftedAt: null, split: null, lead: null },
  };
}

/**
 * The plan by which one arm is held against the current revision: the error level is divided among the arms (Bonferroni
 * over confidence sequences; docs/adr/0024), and nobody is scored beside, so decisions are compared with nobody's.
 */
export function ofOneArm(plan: LivePlan): LivePlan {
  return { ...plan, alpha: plan.alpha / (plan.arms?.length ?? 1), flipsMax: null };
}

/** What each measure shows of one arm. Who answers is up to the request under a contextual bandit: nothing, there. */
export function findingsOfArm({ evidence }: ArmState, plan: LivePlan): readonly Finding[] {
  return plan.bandit.policy === 'linucb' && plan.strategy === 'bandit' ? [] : findingsOf(evidence, ofOneArm(plan));
}

export const armsIn = ({ arms }: ArmsState): readonly ArmState[] => arms.filter(({ out }) => out === null);

/** The share of each arm that is in, in percent, and of the current revision. What is out leaves its share to all. */
export function armWeights(
  state: Pick<ArmsState, 'arms' | 'weights'>,
  plan: readonly ArmPlan[],
): ReadonlyMap<string, number> {
  const declared = [100 - plan.reduce((sum, { share }) => sum + share, 0), ...plan.map(({ share }) => share)];
  const raw = state.weights ?? declared;
  const within = state.arms.map(({ out }) => out === null);
  const total = raw.reduce((sum, weight, i) => sum + (i === 0 || within[i - 1] ? weight : 0), 0);
  const shares = new Map([['current', (100 * (raw[0] ?? 0)) / total]]);
  for (const [i, { name }] of state.arms.entries()) {
    if (within[i]) shares.set(name, (100 * (raw[i + 1] ?? 0)) / total);
  }
  return shares;
}

/** What all candidates together answer, in percent. */
export function shareOfArms(state: Pick<ArmsState, 'arms' | 'weights'>, plan: readonly ArmPlan[]): number {
  return Math.round(10_000 - 100 * (armWeights(state, plan).get('current') ?? 100)) / 100;
}

/** The arms with one more block of what a gateway saw. What is out is not counted any more. */
export function withArmsSeen(state: ArmsState, seen: Observation): ArmsState {
  const { current } = seen;
  return {
    ...state,
    current: counted(state.current, current),
    arms: state.arms.map((arm) => {
      const own = seen.arms?.[arm.name];
      if (!own || arm.out) return arm;
      const { weight, assigned, ...candidate } = own;
      const together = {
        ...{ current, candidate, weight: 0, pairs: { count: 0, flips: 0 } },
        assigned: { current: 0, candidate: 0 },
      };
      return { ...arm, evidence: withObservation(arm.evidence, together), totals: counted(arm.totals, candidate) };
    }),
    split: splitWith(state.split, seen),
  };
}

/** The arms with one more block of the metric. */
export function withArmsEarned(state: ArmsState, seen: Outcomes, plan: LivePlan): ArmsState {
  const one = ofOneArm(plan);
  const earned = (totals: ArmTotals, sums: Outcomes['current']): ArmTotals => ({
    ...totals,
    earned: { requests: totals.earned.requests + sums.requests, sum: totals.earned.sum + sums.sum },
    reward: rewarded(totals.reward, sums, plan),
  });
  return {
    ...state,
    current: earned(state.current, seen.current),
    arms: state.arms.map((arm) => {
      const own = seen.arms?.[arm.name];
      if (!own || arm.out) return arm;
      const evidence = withOutcomes(arm.evidence, { current: seen.current, candidate: own }, one);
      return { ...arm, evidence, totals: earned(arm.totals, own) };
    }),
  };
}

/** One test over all arms; another split goes on with the evidence of those before. */
function splitWith(before: ArmsState['split'], { arms = {}, assigned }: Observation): ArmsState['split'] {
  const sharing = Object.entries(arms)
    .filter(([, { weight }]) => weight > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const left = 100 - sharing.reduce((sum, [, { weight }]) => sum + weight, 0);
  const counts = [assigned.current, ...sharing.map(([, arm]) => arm.assigned)];
  if (sharing.length === 0 || left <= 0 || counts.every((count) => count === 0)) return before;
  const names = ['current', ...sharing.map(([name]) => name)];
  const shares = [left, ...sharing.map(([, { weight }]) => weight)].map((weight) => weight / 100);
  const same =
    before !== null &&
    before.names.join() === names.join() &&
    shares.every((share, i) => Math.abs(share - (before.allocation.shares[i] ?? 0)) < 1e-9);
  const allocation = same ? before.allocation : before ? splitAnew(before.allocation, shares) : startAllocation(shares);
  return { names, allocation: addAssignments(allocation, counts) };
}

function counted(totals: ArmTotals, seen: Observation['current']): ArmTotals {
  return {
    ...totals,
    answered: totals.answered + seen.answered,
    logLatencySum: totals.logLatencySum + seen.logLatencySum,
    scored: totals.scored + seen.scored,
    failures: totals.failures + seen.failures,
  };
}
