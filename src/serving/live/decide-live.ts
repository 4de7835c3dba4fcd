import { formatDuration } from '#core/units';
import { decide as judge } from '#math/test/block-sequence';
import {
  type BlockFact,
  type Decision,
  type Fact,
  failed,
  type Outcome,
  type RolloutPlan,
  type RolloutState,
  type Stage,
  withBlock,
} from '../model.ts';
import { consequenceOf, guardrailSentence } from '../sentence.ts';
import { weightOf } from '../weight.ts';
import { pushedAt, withRewards } from './contextual.ts';
import { type Finding, findingsOf, sampleRatio, withObservation, withOutcomes, withStep } from './evidence.ts';
import { frozenBy } from './freeze.ts';
import { findingSentence, learntSentence } from './live-sentence.ts';
import type { LivePlan } from './live-spec.ts';
import type { Hold, LiveState } from './live-state.ts';
import type { Observation, Outcomes } from './observation.ts';
import { shiftOf } from './shift.ts';

/** What can change a rollout that is decided on live traffic. */
export type LiveFact =
  | Fact
  | { readonly kind: 'observation'; readonly observation: Observation }
  | { readonly kind: 'outcomes'; readonly outcomes: Outcomes }
  | { readonly kind: 'approve'; readonly reason: string }
  /** Takes one of several candidates out. */
  | { readonly kind: 'drop'; readonly arm: string; readonly reason: string };

export interface Live {
  readonly state: RolloutState & { readonly live: LiveState };
  readonly plan: RolloutPlan & { readonly live: LivePlan };
}

/**
 * The state machine of the strategies that are decided on live traffic: what a fact makes of an active rollout. The
 * same function decides in the product, in tests and in `bench/rollout/null.ts`.
 */
export function decideLive({ state, plan }: Live, fact: LiveFact): Outcome {
  const { live } = state;
  switch (fact.kind) {
    case 'observation':
      return onTraffic({ state: observed(state, plan, fact.observation), plan });
    case 'outcomes':
      return shifted(
        onTraffic({ state: { ...state, live: rewarded(live, fact.outcomes, plan.live) }, plan }),
        { state, plan },
        fact.outcomes.end,
      );
    case 'block':
      return onLabels({ state, plan }, fact);
    case 'guardrail':
      return change({ state, plan }, { to: failed(state.stage), because: guardrailSentence(fact) });
    case 'approve': {
      if (live.hold?.kind !== 'approval' && live.hold?.kind !== 'no-harm-found') {
        return { state: { ...state, live: { ...live, approved: true } }, decision: null };
      }
      return change({ state, plan }, { ...next(state, plan.live), because: `Approved by hand: ${fact.reason}` });
    }
    case 'promote':
      return change({ state, plan }, { ...next(state, plan.live), because: `Promoted by hand: ${fact.reason}` });
    case 'drop':
      return { state, decision: null };
    case 'abort':
      return change({ state, plan }, { to: 'aborted', because: `Aborted by hand: ${fact.reason}` });
  }
}

/** In which stage a rollout begins. */
export function firstStage({ strategy }: LivePlan): Stage {
  return strategy === 'blue-green' || strategy === 'shadow' ? 'shadow' : 'canary';
}

/** Where a success leads. */
function next({ stage, step }: RolloutState, plan: LivePlan): { readonly to: Stage; readonly step?: number } {
  if (plan.strategy === 'canary' && stage === 'canary' && step + 1 < plan.steps.length) {
    return { to: 'canary', step: step + 1 };
  }
  if (stage === 'shadow' && firstStage(plan) === 'canary') return { to: 'canary', step: 0 };
  return plan.strategy === 'blue-green' && stage === 'shadow' ? { to: 'probation' } : { to: 'completed' };
}

/** A block counts as evidence whatever the weight, but as time and sample of a step only with the step's weight. */
function observed(state: Live['state'], plan: Live['plan'], seen: Observation): Live['state'] {
  const { live } = state;
  const inStep = Math.abs(seen.weight - weightOf(state, plan)) < 1e-6;
  return {
    ...state,
    live: {
      ...live,
      evidence: withObservation(live.evidence, seen),
      startedAt: live.startedAt ?? seen.start,
      stepFrom: inStep ? (live.stepFrom ?? seen.start) : live.stepFrom,
      latest: Math.max(live.latest ?? 0, seen.end),
      stepRequests: live.stepRequests + (inStep ? seen.candidate.scored : 0),
    },
  };
}

function rewarded(live: LiveState, seen: Outcomes, plan: LivePlan): LiveState {
  const evidence = withOutcomes(live.evidence, { current: seen.current, candidate: seen.candidate ?? NONE }, plan);
  const contextual = live.contextual && withRewards(live.contextual, seen.rows ?? [], plan);
  return { ...live, evidence, ...(contextual ? { contextual } : {}) };
}

const NONE = { requests: 0, sum: 0 };

/** These end with the better arm, not with the absence of harm. */
const comparesArms = ({ strategy }: LivePlan): boolean => strategy === 'ab' || strategy === 'bandit';

/** A bandit moves the traffic where nothing else was decided. */
function shifted(outcome: Outcome, { state, plan }: Live, at: number): Outcome {
  const { live } = outcome.state;
  if (outcome.decision || !live || state.paused) return outcome;
  const learnt = live.contextual && pushedAt(live.contextual, at, plan.live);
  if (live.contextual) {
    if (!learnt || frozenBy(plan.live.freeze, at)) return outcome;
    const moved = { ...outcome.state, live: { ...live, contextual: learnt } };
    return change({ state: moved, plan }, { to: 'canary', because: learntSentence(learnt, plan.live) });
  }
  const from = weightOf(outcome.state, plan);
  const weight = shiftOf(live, plan.live, { at, weight: from });
  if (weight === undefined || frozenBy(plan.live.freeze, at)) return outcome;
  const { current, candidate } = live.evidence.rewards;
  const [before, after] = [current, candidate].map(
    ({ count, sum }) => `${Number((sum / count).toPrecision(3))} of ${count}`,
  );
  const because = `The bandit moves the share: the metric is ${after} requests against ${before}`;
  const moved = { ...outcome.state, live: { ...live, shifted: { weight, at } } };
  return change({ state: moved, plan }, { to: 'canary', because });
}

function onTraffic(current: Live): Outcome {
  const { state, plan } = current;
  const { latest, startedAt, evidence } = state.live;
  const findings = findingsOf(evidence, plan.live);
  const worst = findings.find(({ verdict }) => verdict === 'worse');
  if (worst) return change(current, { to: failed(state.stage), because: findingSentence(worst, plan.live), findings });
  const better = findings.find(({ verdict }) => verdict === 'better');
  if (better && comparesArms(plan.live) && state.stage !== 'shadow' && !state.paused) {
    return change(current, { to: 'completed', because: findingSentence(better, plan.live), findings });
  }
  const hold = holdOf(current, findings);
  if (hold && latest !== null && startedAt !== null && latest - startedAt >= plan.live.maxMs) {
    const because = `In the ${formatDuration(plan.live.maxMs)} it had the rollout did not go on: ${hold.sentence}`;
    // An A/B test without a difference is a result, not a failure.
    const to = (comparesArms(plan.live) && state.stage !== 'shadow') || state.paused ? 'aborted' : failed(state.stage);
    return change(current, { to, because, findings });
  }
  if (hold) return { state: { ...state, live: { ...state.live, hold } }, decision: null };
  const begins = bakesBeside({ state, plan });
  const word = begins ? 'was scored beside every answer and no harm was found' : 'did no harm';
  const because = `The candidate ${word}: ${findings.map((one) => findingSentence(one, plan.live)).join('; ')}`;
  return change(current, { ...next(state, plan.live), because, findings });
}

/** What stands in the way of the next step, most telling first. */
function holdOf({ state, plan: rollout }: Live, findings: readonly Finding[]): Hold | null {
  const { live } = state;
  const plan = rollout.live;
  if (state.paused) return { kind: 'paused', sentence: `paused by hand: ${state.paused.reason}` };
  const ratio = sampleRatio(live.evidence);
  if (ratio?.mismatch) {
    const [current = 0, candidate = 0] = live.evidence.allocation?.counts ?? [];
    const p = ratio.pValue.toPrecision(2);
    const sentence = `${candidate} of ${current + candidate} went to the candidate, not the share declared (p ${p})`;
    return { kind: 'sample-ratio', sentence };
  }
  const bakedMs = live.latest === null || live.stepFrom === null ? 0 : live.latest - live.stepFrom;
  if (live.stepRequests < plan.requestsMin) {
    const sentence = `the candidate scored ${live.stepRequests} requests in this step, ${plan.requestsMin} are needed`;
    return { kind: 'sample', sentence };
  }
  const beside = bakesBeside({ state, plan: rollout });
  const bakeMs = beside ? (rollout.checks?.shadowMs ?? 0) : plan.bakeMs;
  if (bakedMs < bakeMs) {
    const what = beside ? 'it is scored beside for' : 'this step has run for';
    return { kind: 'baking', sentence: `${what} ${formatDuration(bakedMs)} of ${formatDuration(bakeMs)}` };
  }
  // What does harm to nobody is excluded step by step once it answers; until then it has to show none.
  if (beside) return askedOf(state, plan);
  if (comparesArms(plan)) return { kind: 'undecided', sentence: 'neither arm is shown to be better' };
  const open = findings.filter(({ verdict }) => verdict === 'undecided');
  if (open.length > 0) {
    const sentence = `harm is not excluded yet: ${open.map((one) => findingSentence(one, plan)).join('; ')}`;
    return { kind: 'undecided', sentence };
  }
  return askedOf(state, plan);
}

/** Scored beside for as long as the checks before traffic ask for; `blue-green` and `shadow` begin so anyway. */
function bakesBeside({ state, plan }: Live): boolean {
  return state.stage === 'shadow' && firstStage(plan.live) === 'canary';
}

/** People and the calendar come last, when only they are left. */
function askedOf(state: Live['state'], plan: LivePlan): Hold | null {
  const { live } = state;
  if (plan.strategy === 'shadow') return { kind: 'no-harm-found', sentence: 'no harm was found; a person promotes it' };
  const { to, step = 0 } = next(state, plan);
  const window = frozenBy(plan.freeze, live.latest ?? 0);
  if (window) return { kind: 'frozen', sentence: `changes are frozen from ${window.from} to ${window.to} UTC` };
  const last = to !== 'canary' || (plan.steps[step] ?? 0) >= 100;
  const asks = plan.approval === 'every' || (plan.approval === 'last' && last);
  if (!asks || live.approved || state.stage === 'probation') return null;
  return { kind: 'approval', sentence: 'no harm was found; the next step waits for a person' };
}

function onLabels({ state, plan }: Live, fact: BlockFact): Outcome {
  if (state.lastBlock !== null && fact.start <= state.lastBlock) return { state, decision: null };
  const counted = { ...withBlock(state, fact, plan), live: state.live };
  const { decision, mean, requests } = judge(counted.evidence, { margin: plan.margin });
  const about = `by ${Math.abs(mean ?? 0).toPrecision(3)} log loss per request over ${requests} labelled pairs`;
  if (decision === 'worse') {
    return change({ state: counted, plan }, { to: failed(state.stage), because: `The candidate is worse ${about}` });
  }
  if (decision === 'better' && comparesArms(plan.live) && !state.paused) {
    return change({ state: counted, plan }, { to: 'completed', because: `The candidate is better ${about}` });
  }
  return { state: counted, decision: null };
}

interface Transition {
  readonly to: Stage;
  readonly step?: number;
  readonly because: string;
  readonly findings?: readonly Finding[];
}

function change({ state, plan }: Live, { to, step = 0, because, findings }: Transition): Outcome {
  const evidence = withStep(state.live.evidence, plan.live);
  const live: LiveState = { ...state.live, evidence, stepFrom: null, stepRequests: 0, approved: false, hold: null };
  const after = { ...state, stage: to, step, live };
  const weight = weightOf(after, plan);
  const decision: Decision = {
    ...{ from: state.stage, to, weight, at: state.live.latest, figures: null },
    sentence: `${because}; ${consequenceOf(to, weight)}.`,
    ...(findings ? { findings } : {}),
  };
  return { state: after, decision };
}
