import type { ArmReward } from '#math/bandit/bandit';
import { type Allocation, addAssignments, checkAllocation, splitAnew, startAllocation } from '#math/test/allocation';
import { armDifference } from '#math/test/arm-difference';
import { addToLadder, type BlockLadder, decideLadder, startBlockLadder } from '#math/test/block-ladder';
import { addFailures, checkFailures, type FailureShare, startFailureShare } from '#math/test/failure-share';
import { rateExceeds } from '#math/test/rate-limit';
import { shareSequence } from '#math/test/share-sequence';
import { isContextual } from './contextual.ts';
import type { LivePlan } from './live-spec.ts';
import type { Observation, Outcomes } from './observation.ts';

interface Trials {
  readonly requests: number;
  readonly failures: number;
}

/** All that was seen of a rollout. Plain data: survives JSON. */
export interface LiveEvidence {
  readonly current: Trials;
  readonly candidate: Trials;
  /** Bets on failures since the start and since each later step, so that a good beginning hides no bad end. */
  readonly failures: readonly FailureShare[];
  readonly errorBlocks: BlockLadder;
  readonly latencyBlocks: BlockLadder;
  readonly metricBlocks: BlockLadder;
  readonly pairs: { readonly count: number; readonly flips: number };
  /** The metric of both arms, turned so that more is better where it is a share. */
  readonly rewards: { readonly current: ArmReward; readonly candidate: ArmReward };
  /** Null while one arm has everything. */
  readonly allocation: Allocation | null;
}

/** What one measure shows of the candidate at this look. Figures are candidate minus current. */
export interface Finding {
  readonly measure: 'errors' | 'latency' | 'flips' | 'metric';
  /** `harmless`: shown to be within its margin. `better` is said of the metric only. */
  readonly verdict: 'worse' | 'undecided' | 'harmless' | 'better' | 'not-measured';
  readonly estimate: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** What the verdict is held against. */
  readonly margin: number;
  readonly requests: number;
  /** Blocks that decided, of so many of the declared ones each; 0 where single requests decide. */
  readonly blocks: number;
  readonly merged: number;
  readonly autocorrelation: number | null;
}

/** Errors singly and by blocks, latency, flips, the metric and the labels each get an equal part of the error level. */
function levelOf({ alpha, flipsMax, metric }: LivePlan): number {
  return alpha / (4 + (flipsMax === null ? 0 : 1) + (metric ? 1 : 0));
}

/** What weather may do to the odds of a failure for a while between equal revisions; sums over blocks see the rest. */
const ODDS_TOLERATED = 2;

export function emptyEvidence(plan: LivePlan): LiveEvidence {
  const ladder = startBlockLadder({ alpha: levelOf(plan), burnInBlocks: plan.burnInBlocks, rungs: plan.rungs });
  const none = { requests: 0, failures: 0 };
  return {
    ...{ current: none, candidate: none, failures: [startFailureShare({ tolerated: ODDS_TOLERATED })] },
    ...{ errorBlocks: ladder, latencyBlocks: ladder, metricBlocks: ladder },
    pairs: { count: 0, flips: 0 },
    rewards: { current: { count: 0, sum: 0 }, candidate: { count: 0, sum: 0 } },
    allocation: null,
  };
}

/** The evidence as a new step begins. A bandit takes more steps than were planned: later ones place no new bets. */
export function withStep(evidence: LiveEvidence, plan: LivePlan): LiveEvidence {
  if (evidence.failures.length >= betsOf(plan)) return evidence;
  return { ...evidence, failures: [...evidence.failures, startFailureShare({ tolerated: ODDS_TOLERATED })] };
}

/** The most steps that are bet on: those of a canary, and both stages of the others. */
const betsOf = ({ steps }: LivePlan): number => Math.max(2, steps.length);

/**
 * The wealth is split evenly between the bets of all steps there can be; that of steps to come lies idle. So the sum is
 * a supermartingale from 1 like each of them.
 */
function failsMore({ failures }: LiveEvidence, plan: LivePlan): boolean {
  const bets = betsOf(plan);
  const logs = failures.map((share) => checkFailures(share).logEvidence);
  const top = Math.max(0, ...logs);
  const wealth = logs.reduce((total, log) => total + Math.exp(log - top), (bets - logs.length) * Math.exp(-top));
  return top + Math.log(wealth / bets) >= -Math.log(levelOf(plan));
}

/** What two arms did in one block of time. */
export type SeenTogether = Pick<Observation, 'weight' | 'current' | 'candidate' | 'pairs' | 'assigned'>;

/** The evidence with one more block of what a gateway saw. */
export function withObservation(evidence: LiveEvidence, seen: SeenTogether): LiveEvidence {
  const current = { requests: seen.current.scored, failures: seen.current.failures };
  const candidate = { requests: seen.candidate.scored, failures: seen.candidate.failures };
  const errors = armDifference(
    { requests: current.requests, sum: current.failures },
    { requests: candidate.requests, sum: candidate.failures },
  );
  const latency = armDifference(
    { requests: seen.current.answered, sum: seen.current.logLatencySum },
    { requests: seen.candidate.answered, sum: seen.candidate.logLatencySum },
  );
  return {
    ...evidence,
    current: added(evidence.current, current),
    candidate: added(evidence.candidate, candidate),
    failures: evidence.failures.map((share) => addFailures(share, current, candidate)),
    errorBlocks: addToLadder(evidence.errorBlocks, errors),
    latencyBlocks: addToLadder(evidence.latencyBlocks, latency),
    pairs: {
      count: evidence.pairs.count + seen.pairs.count,
      flips: evidence.pairs.flips + seen.pairs.flips,
    },
    allocation: allocated(evidence.allocation, seen),
  };
}

/** The metric of both arms in one block of time. */
export type MetricBlock = Pick<Outcomes, 'current'> & { readonly candidate: Outcomes['current'] };

export function withOutcomes(evidence: LiveEvidence, seen: MetricBlock, plan: LivePlan): LiveEvidence {
  const sign = plan.metric?.better === 'higher' ? -1 : 1;
  const difference = armDifference(
    { requests: seen.current.requests, sum: sign * seen.current.sum },
    { requests: seen.candidate.requests, sum: sign * seen.candidate.sum },
  );
  const { current, candidate } = evidence.rewards;
  const rewards = {
    current: rewarded(current, seen.current, plan),
    candidate: rewarded(candidate, seen.candidate, plan),
  };
  return { ...evidence, rewards, metricBlocks: addToLadder(evidence.metricBlocks, difference) };
}

/** More is better in what it adds up. */
export function rewarded({ count, sum }: ArmReward, seen: Outcomes['current'], { metric }: LivePlan): ArmReward {
  const reward = metric?.better === 'lower' ? seen.requests - seen.sum : seen.sum;
  return { count: count + seen.requests, sum: sum + Math.min(seen.requests, Math.max(0, reward)) };
}

/** Whether the arms get the shares they should. */
export const sampleRatio = ({ allocation }: LiveEvidence) => (allocation ? checkAllocation(allocation) : null);

/**
 * What each measure shows. Pure and cheap: may be asked after every block. Who answers is up to the request under a
 * contextual bandit, so only what both arms were measured on can be compared there.
 */
export function findingsOf(evidence: LiveEvidence, plan: LivePlan): readonly Finding[] {
  const compared = !isContextual(plan);
  return [
    errorsOf(evidence, plan),
    ...(compared ? [latencyOf(evidence, plan)] : []),
    ...(plan.flipsMax === null ? [] : [flipsOf(evidence, plan, plan.flipsMax)]),
    ...(plan.metric && compared ? [metricOf(evidence, plan.metric)] : []),
  ];
}

/** Whether errors or latency are shown to be worse: the verdict of their findings, without the intervals for people. */
export function isHarmful(evidence: LiveEvidence, plan: LivePlan): boolean {
  const latency = decideLadder(evidence.latencyBlocks, { margin: Math.log1p(plan.latencyMargin) }).decision;
  return latency === 'worse' || moreErrors(evidence, plan);
}

function moreErrors(evidence: LiveEvidence, plan: LivePlan): boolean {
  return decideLadder(evidence.errorBlocks).decision === 'worse' || failsMore(evidence, plan);
}

/**
 * Worse: bets on single failures show twice the odds of the current revision, or sums over blocks any more errors.
 * Harmless: both the sums and the exact sequences of the two shares exclude `errorMargin` more. The exact ones are
 * needed because few failures have a variance that is too small by chance.
 */
function errorsOf(evidence: LiveEvidence, plan: LivePlan): Finding {
  const { current, candidate } = evidence;
  const { errorMargin: margin } = plan;
  const alpha = levelOf(plan);
  const { interval, blocks, merged, autocorrelation } = decideLadder(evidence.errorBlocks);
  const [before, after] = [shareSequence(sampleOf(current), { alpha }), shareSequence(sampleOf(candidate), { alpha })];
  const [low, high] = [after.low - before.high, after.high - before.low];
  const worse = moreErrors(evidence, plan);
  const harmless = high < margin && interval !== null && -interval.low < margin;
  return {
    measure: 'errors',
    verdict: worse ? 'worse' : harmless ? 'harmless' : 'undecided',
    estimate: candidate.requests * current.requests === 0 ? null : shareOf(candidate) - shareOf(current),
    ...{ low, high, margin, requests: candidate.requests, blocks, merged, autocorrelation },
  };
}

/** Over logarithms, so the margin is a ratio. Without requests answered side by side nothing is measured. */
function latencyOf({ latencyBlocks }: LiveEvidence, plan: LivePlan): Finding {
  const margin = Math.log1p(plan.latencyMargin);
  const { interval, mean, decision, requests, blocks, merged, autocorrelation } = decideLadder(latencyBlocks, {
    margin,
  });
  const sideBySide = plan.steps.some((step) => step < 100);
  const harmless = interval !== null && -interval.low < margin;
  const verdict = decision === 'worse' ? 'worse' : harmless ? 'harmless' : sideBySide ? 'undecided' : 'not-measured';
  return {
    measure: 'latency',
    verdict,
    estimate: mean === null ? null : Math.expm1(-mean),
    low: interval && Math.expm1(-interval.high),
    high: interval && Math.expm1(-interval.low),
    margin: plan.latencyMargin,
    requests: Math.round(requests),
    ...{ blocks, merged, autocorrelation },
  };
}

function flipsOf({ pairs }: LiveEvidence, plan: LivePlan, limit: number): Finding {
  const alpha = levelOf(plan);
  const { count, flips } = pairs;
  const { exceeded } = rateExceeds({ errors: flips, requests: count }, { limit, alpha });
  const { low, high } = shareSequence({ successes: flips, trials: count }, { alpha });
  const within = count >= plan.requestsMin && flips <= limit * count;
  return {
    measure: 'flips',
    verdict: exceeded ? 'worse' : within ? 'harmless' : count === 0 ? 'not-measured' : 'undecided',
    estimate: count === 0 ? null : flips / count,
    ...{ low, high, margin: limit, requests: count, blocks: 0, merged: 1, autocorrelation: null },
  };
}

export function metricOf({ metricBlocks }: LiveEvidence, metric: NonNullable<LivePlan['metric']>): Finding {
  const { margin, better } = metric;
  const { interval, mean, decision, requests, blocks, merged, autocorrelation } = decideLadder(metricBlocks, {
    margin,
  });
  const harmless = interval !== null && interval.low > -margin;
  const verdict = decision === 'undecided' ? (harmless ? 'harmless' : 'undecided') : decision;
  const lower = better === 'lower';
  return {
    measure: 'metric',
    verdict,
    estimate: mean === null ? null : lower ? -mean : mean,
    low: interval && (lower ? -interval.high : interval.low),
    high: interval && (lower ? -interval.low : interval.high),
    ...{ margin, requests: Math.round(requests), blocks, merged, autocorrelation },
  };
}

function allocated(before: Allocation | null, { weight, assigned }: SeenTogether): Allocation | null {
  if (weight <= 0 || weight >= 100) return before;
  const shares = [1 - weight / 100, weight / 100];
  const sameSplit = before !== null && Math.abs((before.shares[1] as number) - weight / 100) < 1e-9;
  const state = before === null ? startAllocation(shares) : sameSplit ? before : splitAnew(before, shares);
  return addAssignments(state, [assigned.current, assigned.candidate]);
}

function added(a: Trials, b: Trials): Trials {
  return { requests: a.requests + b.requests, failures: a.failures + b.failures };
}

const shareOf = ({ requests, failures }: Trials): number => (requests === 0 ? 0 : failures / requests);
const sampleOf = ({ requests, failures }: Trials) => ({ successes: failures, trials: requests });
