import { assert } from '#core/assert';
import type { Random } from '#core/random';
import { autoregressive, gaussian } from '#math/test/simulated-traffic';
import { endpointSpec } from '../contract.ts';
import { decideRollout } from '../decide.ts';
import { isActive, planOf, type RolloutPlan, type RolloutState, startState } from '../model.ts';
import { weightOf } from '../weight.ts';
import { firstStage } from './decide-live.ts';
import { LATENCY_FLOOR_MS, type Observation } from './observation.ts';

/** Traffic on which both arms score every request, as gateways have them do. */
export interface SimulatedTraffic {
  readonly requestsPerBlock: number;
  /** Share that the current revision fails, before the common cause; and how many more points the candidate. */
  readonly errors: number;
  readonly moreErrors: number;
  /** Median latency, and by which share the candidate is slower. */
  readonly latencyMs: number;
  readonly slower: number;
  readonly flips: number;
  /** Standard deviation of the logarithm of what a block does to errors and latency of both arms alike. */
  readonly shared: number;
  /** Correlation of that between neighbouring blocks. */
  readonly correlation: number;
  /**
   * Standard deviation of what a block does to the *difference* of the arms, as a share of the errors; it has the same
   * correlation. 0 unless the weather favours one of two equal models for a while.
   */
  readonly differing: number;
}

export const quietTraffic: SimulatedTraffic = {
  ...{ requestsPerBlock: 200, errors: 0.005, moreErrors: 0, latencyMs: 20, slower: 0, flips: 0.05 },
  ...{ shared: 0, correlation: 0, differing: 0 },
};

type Plan = RolloutPlan & { readonly live: NonNullable<RolloutPlan['live']> };

/** The plan of a rollout with this `live` in the spec of its endpoint. */
export function simulatedPlan(strategy: string, live: Readonly<Record<string, unknown>> = {}): Plan {
  const plan = planOf(endpointSpec.parse({ model: 'simulated', rollout: { strategy, live } }));
  assert(plan.live, `${strategy} is not decided on live traffic`);
  return { ...plan, live: plan.live };
}

export interface SimulatedEnd {
  readonly state: RolloutState;
  readonly blocks: number;
  /** Requests that the candidate answered, and those of them that it failed beyond what the current revision would. */
  readonly answered: number;
  readonly sentence: string;
}

/** Runs one rollout to its end, or for `blocksMax` blocks, with the decisions of the product after each block. */
export function simulateRollout(
  random: Random,
  plan: Plan,
  { traffic, blocksMax }: { readonly traffic: SimulatedTraffic; readonly blocksMax: number },
): SimulatedEnd {
  const cause = autoregressive(random, traffic.correlation);
  const favour = autoregressive(random, traffic.correlation);
  let state = startState(plan, { stage: firstStage(plan.live), forced: false });
  let [blocks, answered, sentence] = [0, 0, ''];
  while (blocks < blocksMax && isActive(state.stage)) {
    const block = blocks * plan.live.blockMs;
    const weight = weightOf(state, plan);
    const seen = observe(random, traffic, { weight, common: cause(), difference: favour() });
    answered += seen.candidate.answered;
    const times = { rollout: 'simulated', source: 'gw', start: block, end: block + plan.live.blockMs, odd: [] };
    const outcome = decideRollout({ state, plan }, { kind: 'observation', observation: { ...times, ...seen } });
    state = outcome.state;
    sentence = outcome.decision?.sentence ?? sentence;
    blocks++;
  }
  return { state, blocks, answered, sentence };
}

type Seen = Omit<Observation, 'rollout' | 'source' | 'start' | 'end' | 'odd'>;

function observe(
  random: Random,
  traffic: SimulatedTraffic,
  { weight, common, difference }: { weight: number; common: number; difference: number },
): Seen {
  const requests = drawBinomial(random, 2 * traffic.requestsPerBlock, 0.5);
  const toCandidate = drawBinomial(random, requests, weight / 100);
  const lift = Math.exp(traffic.shared * common);
  const base = Math.min(0.9, traffic.errors * lift);
  const candidate = Math.min(0.95, Math.max(0, base * (1 + traffic.differing * difference) + traffic.moreErrors));
  const latency = (answered: number, factor: number): number => {
    // Lognormal latencies with a standard deviation of .4: the sum over a block is normal.
    const mean = Math.log(traffic.latencyMs * factor * Math.exp(0.1 * traffic.shared * common) + LATENCY_FLOOR_MS);
    return answered === 0 ? 0 : answered * mean + Math.sqrt(answered) * 0.4 * gaussian(random);
  };
  const current = requests - toCandidate;
  return {
    weight,
    current: {
      ...{ answered: current, logLatencySum: latency(current, 1), scored: requests },
      failures: drawBinomial(random, requests, base),
    },
    candidate: {
      ...{ answered: toCandidate, logLatencySum: latency(toCandidate, 1 + traffic.slower), scored: requests },
      failures: drawBinomial(random, requests, candidate),
    },
    pairs: { count: requests, flips: drawBinomial(random, requests, traffic.flips) },
    assigned: { current, candidate: toCandidate },
  };
}

/** By inversion for few expected successes, else by the normal law, which is near enough from a variance of 30 on. */
export function drawBinomial(random: Random, trials: number, share: number): number {
  if (share <= 0 || trials === 0) return 0;
  if (share >= 1) return trials;
  if (share > 0.5) return trials - drawBinomial(random, trials, 1 - share);
  const variance = trials * share * (1 - share);
  if (variance > 30) {
    return Math.min(trials, Math.max(0, Math.round(trials * share + Math.sqrt(variance) * gaussian(random))));
  }
  let left = random.next();
  let chance = (1 - share) ** trials;
  for (let k = 0; k < trials; k++) {
    left -= chance;
    if (left < 0) return k;
    chance *= ((trials - k) / (k + 1)) * (share / (1 - share));
  }
  return trials;
}
