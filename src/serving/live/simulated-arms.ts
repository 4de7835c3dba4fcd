import type { Random } from '#core/random';
import { autoregressive, gaussian } from '#math/test/simulated-traffic';
import { decideRollout, type RolloutFact } from '../decide.ts';
import { isActive, type RolloutPlan, type RolloutState, startState } from '../model.ts';
import { armWeights } from './arms/arms-state.ts';
import { firstStage } from './decide-live.ts';
import { LATENCY_FLOOR_MS, type Observation } from './observation.ts';
import { drawBinomial, simulatedPlan } from './simulated-rollout.ts';

/** What an arm does to requests. */
export interface SimulatedArm {
  /** Of the metric of one request. */
  readonly mean: number;
  readonly moreErrors?: number;
  readonly slower?: number;
}

/** Traffic that several arms share out: each request is answered, and measured, by one of them. */
export interface ArmsTraffic {
  readonly requestsPerBlock: number;
  readonly errors: number;
  readonly latencyMs: number;
  /** Standard deviation of the metric of one request; null for one that is 0 or 1. */
  readonly deviation: number | null;
  /** Standard deviation of the logarithm of what a block does to errors and to the metric of all arms alike. */
  readonly shared: number;
  /** Standard deviation of what a block does to the metric of each arm by itself, in means. */
  readonly differing: number;
  /** Correlation of both between neighbouring blocks. */
  readonly correlation: number;
}

export const quietArms: ArmsTraffic = {
  ...{ requestsPerBlock: 600, errors: 0.005, latencyMs: 20, deviation: null },
  ...{ shared: 0, differing: 0, correlation: 0 },
};

export type ArmsPlan = RolloutPlan & { readonly live: NonNullable<RolloutPlan['live']> };

/** The plan of a rollout of so many candidates, `a1` and so on, that share alike with the current revision. */
export function simulatedArmsPlan(
  strategy: 'ab' | 'bandit',
  count: number,
  live: Readonly<Record<string, unknown>> = {},
): ArmsPlan {
  const plan = simulatedPlan(strategy, { metric: { name: 'value' }, ...live });
  const arms = Array.from({ length: count }, (_, i) => ({
    ...{ name: `a${i + 1}`, version: i + 2, share: 100 / (count + 1) },
  }));
  return { ...plan, live: { ...plan.live, arms } };
}

export interface ArmsEnd {
  readonly state: RolloutState;
  readonly blocks: number;
  /** The arm that became the current revision. */
  readonly promoted: string | null;
  /** Arms that were taken out, and those of them that did harm. */
  readonly taken: number;
  readonly harmful: number;
  /** Requests that each arm answered, the current revision first. */
  readonly answered: readonly number[];
  readonly sentence: string;
}

interface Simulation {
  readonly traffic: ArmsTraffic;
  /** The current revision first. */
  readonly arms: readonly SimulatedArm[];
  readonly blocksMax: number;
}

/** Runs one rollout of several candidates with the decisions of the product after each block. */
export function simulateArms(random: Random, plan: ArmsPlan, { traffic, arms, blocksMax }: Simulation): ArmsEnd {
  const names = ['current', ...(plan.live.arms ?? []).map(({ name }) => name)];
  const common = autoregressive(random, traffic.correlation);
  const own = names.map(() => autoregressive(random, traffic.correlation));
  const answered = names.map(() => 0);
  let state = startState(plan, { stage: firstStage(plan.live), forced: false });
  let [blocks, sentence] = [0, ''];
  const tell = (fact: RolloutFact): void => {
    const outcome = decideRollout({ state, plan }, fact);
    state = outcome.state;
    sentence = outcome.decision?.sentence ?? sentence;
  };
  for (; blocks < blocksMax && isActive(state.stage); blocks++) {
    const shares = armWeights(state.live?.arms ?? { arms: [], weights: null }, plan.live.arms ?? []);
    const weights = names.map((name) => (shares.get(name) ?? 0) / 100);
    const counts = drawMultinomial(random, traffic.requestsPerBlock, weights);
    const lift = Math.exp(traffic.shared * common());
    const seen = counts.map((count, i) => {
      answered[i] = (answered[i] ?? 0) + count;
      return armBlock(random, traffic, { arm: arms[i] ?? { mean: 0 }, count, lift, own: own[i]?.() ?? 0 });
    });
    const time = { source: 'simulated', start: blocks * plan.live.blockMs, end: (blocks + 1) * plan.live.blockMs };
    const byName = <T>(values: readonly T[]): Record<string, T> =>
      Object.fromEntries(names.slice(1).flatMap((name, i) => (shares.has(name) ? [[name, values[i + 1] as T]] : [])));
    const observed = seen.map((one, i) => ({
      ...one.observed,
      weight: 100 * (weights[i] ?? 0),
      assigned: counts[i] ?? 0,
    }));
    tell({ kind: 'observation', observation: { ...time, ...together(observed), arms: byName(observed) } });
    if (!isActive(state.stage)) continue;
    const sums = seen.map(({ sum }, i) => ({ requests: counts[i] ?? 0, sum }));
    tell({ kind: 'outcomes', outcomes: { ...time, current: sums[0] ?? { requests: 0, sum: 0 }, arms: byName(sums) } });
  }
  const taken = state.live?.arms?.arms.flatMap(({ out }) => out ?? []) ?? [];
  return {
    ...{ state, blocks, answered, sentence, taken: taken.length },
    promoted: state.stage === 'completed' ? (state.live?.arms?.lead ?? null) : null,
    harmful: taken.filter(({ kind }) => kind === 'worse').length,
  };
}

type ArmSeen = Observation['current'];

function armBlock(
  random: Random,
  traffic: ArmsTraffic,
  { arm, count, lift, own }: { arm: SimulatedArm; count: number; lift: number; own: number },
): { readonly observed: ArmSeen; readonly sum: number } {
  const errors = Math.min(0.95, Math.max(0, traffic.errors * lift + (arm.moreErrors ?? 0)));
  const mean = arm.mean * lift + traffic.differing * arm.mean * own;
  const latency = Math.log(traffic.latencyMs * (1 + (arm.slower ?? 0)) + LATENCY_FLOOR_MS);
  const noise = Math.sqrt(count) * 0.4 * gaussian(random);
  const failures = drawBinomial(random, count, errors);
  const sum =
    traffic.deviation === null
      ? drawBinomial(random, count, Math.min(1, Math.max(0, mean)))
      : count * mean + Math.sqrt(count) * traffic.deviation * gaussian(random);
  const logLatencySum = count === 0 ? 0 : count * latency + noise;
  return { observed: { answered: count, logLatencySum, scored: count, failures }, sum };
}

/** A block as a gateway reports it: the current revision, and all candidates together. */
function together(seen: readonly (ArmSeen & { readonly weight: number; readonly assigned: number })[]) {
  const [current, ...others] = seen;
  const sum = (of: (one: (typeof others)[number]) => number): number => others.reduce((all, one) => all + of(one), 0);
  const { weight: _, assigned = 0, ...counted } = current ?? { answered: 0, logLatencySum: 0, scored: 0, failures: 0 };
  return {
    ...{
      rollout: 'simulated',
      odd: [],
      weight: Math.min(
        100,
        sum(({ weight }) => weight),
      ),
      current: counted,
    },
    candidate: {
      answered: sum((one) => one.answered),
      logLatencySum: sum((one) => one.logLatencySum),
      scored: sum((one) => one.scored),
      failures: sum((one) => one.failures),
    },
    pairs: { count: 0, flips: 0 },
    assigned: { current: assigned, candidate: sum((one) => one.assigned) },
  };
}

/** How many of the trials fall to each of the shares, which sum to 1. */
function drawMultinomial(random: Random, trials: number, shares: readonly number[]): number[] {
  let [left, mass] = [trials, 1];
  return shares.map((share, i) => {
    const count =
      i === shares.length - 1 ? left : drawBinomial(random, left, Math.min(1, share / Math.max(mass, 1e-12)));
    left -= count;
    mass -= share;
    return share === 0 ? 0 : count;
  });
}
