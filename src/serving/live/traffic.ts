import type { ArmPlan } from './arms/arms-spec.ts';
import { findingsOfArm, startArms, withArmsEarned, withArmsSeen } from './arms/arms-state.ts';
import { emptyEvidence, findingsOf, withObservation } from './evidence.ts';
import type { LivePlan } from './live-spec.ts';
import { LATENCY_FLOOR_MS, type Observation, type Outcomes } from './observation.ts';

/** Of what is kept, the newest blocks are read: each is shown, and the confidence sequences are drawn through them. */
export const BLOCKS_READ = 2_000;
const BLOCKS_SHOWN = 240;
const POINTS_SHOWN = 200;

interface Kept {
  readonly observations: readonly Observation[];
  /** Blocks of the metric, of several candidates. */
  readonly outcomes?: readonly Outcomes[];
}

/**
 * What gateways saw of a rollout, block by block, and how each measure's confidence sequence came to where it is. The
 * sequences are made anew from the blocks. The business metric has blocks of its own and a line for several candidates.
 */
export function trafficOf({ observations, outcomes = [] }: Kept, plan: LivePlan, startedAt: number | null) {
  const every = Math.max(1, Math.ceil(observations.length / POINTS_SHOWN));
  const isShown = (i: number): boolean => i % every === 0 || i === observations.length - 1;
  const points = plan.arms
    ? armPoints({ observations, outcomes }, { ...plan, arms: plan.arms }, isShown)
    : pointsOf(observations, plan, isShown);
  const blocks = observations.slice(-BLOCKS_SHOWN).map(({ start, end, source, weight, pairs, ...seen }) => ({
    ...{ start, end, source, weight, pairs },
    current: armOf(seen.current),
    candidate: armOf(seen.candidate),
    ...(seen.arms ? { arms: eachArm(seen.arms, (arm) => ({ ...armOf(arm), weight: arm.weight })) } : {}),
  }));
  return { blocks, points, complete: startedAt !== null && observations[0]?.start === startedAt };
}

type Shown = (place: number) => boolean;

function pointsOf(observations: readonly Observation[], plan: LivePlan, isShown: Shown) {
  let evidence = emptyEvidence(plan);
  return observations.flatMap((seen, i) => {
    evidence = withObservation(evidence, seen);
    if (!isShown(i)) return [];
    const findings = findingsOf(evidence, plan).filter(({ measure }) => measure !== 'metric');
    return { at: seen.end, findings: findings.map((one) => ({ ...one })) };
  });
}

function armPoints(
  { observations, outcomes = [] }: Kept,
  plan: LivePlan & { readonly arms: readonly ArmPlan[] },
  isShown: Shown,
) {
  let state = startArms(plan, plan.arms);
  let next = 0;
  return observations.flatMap((seen, i) => {
    state = withArmsSeen(state, seen);
    for (let earned = outcomes[next]; earned && earned.end <= seen.end; earned = outcomes[++next]) {
      state = withArmsEarned(state, earned, plan);
    }
    if (!isShown(i)) return [];
    const arms = Object.fromEntries(state.arms.map((arm) => [arm.name, [...findingsOfArm(arm, plan)]]));
    return { at: seen.end, findings: [], arms };
  });
}

function eachArm<A, B>(arms: Readonly<Record<string, A>>, of: (arm: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(arms).map(([name, arm]) => [name, of(arm)]));
}

function armOf({ answered, logLatencySum, scored, failures }: Observation['current']) {
  const typicalMs = answered === 0 ? null : Math.max(0, Math.exp(logLatencySum / answered) - LATENCY_FLOOR_MS);
  return { answered, scored, failures, typicalMs };
}
