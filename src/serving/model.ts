import { unreachable } from '#core/assert';
import { durationMs } from '#core/units';
import { addBlock, type BlockSequence, decide as judge, startBlockSequence } from '#math/test/block-sequence';
import type { CheckResult } from './checks/check-result.ts';
import { type ChecksPlan, checksPlanOf } from './checks/checks-spec.ts';
import type { EndpointSpec, Figures, STAGES } from './contract.ts';
import type { Finding } from './live/evidence.ts';
import { type LivePlan, livePlanOf } from './live/live-spec.ts';
import { type LiveState, startLive } from './live/live-state.ts';
import { sentenceOf } from './sentence.ts';
import { weightOf } from './weight.ts';

export type Stage = (typeof STAGES)[number];

/** Comparison blocks are hours: long against what the requests of one moment share, short against a rollout. */
export const BLOCK_MS = 3_600_000;

/** What a rollout was started with; a later change of the endpoint is for the next one. Durations in milliseconds. */
export interface RolloutPlan {
  readonly shadowMaxMs: number;
  readonly steps: readonly number[];
  readonly bakeMs: number;
  readonly probationMs: number;
  readonly margin: number;
  readonly alpha: number;
  readonly burnInBlocks: number;
  readonly dependence: 'martingale' | 'autoregressive';
  readonly labelLatenessMs: number;
  /** Of the strategies that are decided on live traffic; without it the rollout is decided on pairs and labels. */
  readonly live?: LivePlan;
  /** Before traffic; rollouts that were started before there were checks have none. */
  readonly checks?: ChecksPlan;
}

export interface RolloutState {
  readonly stage: Stage;
  /** Which canary step; 0 outside the canary stage. */
  readonly step: number;
  readonly forced: boolean;
  /** Event times from which traffic ran in this stage and in this step; null until the first block tells. */
  readonly stageFrom: number | null;
  readonly stepFrom: number | null;
  /** Start of the newest block that was counted. */
  readonly lastBlock: number | null;
  /** All blocks: carries promotion. */
  readonly evidence: BlockSequence;
  /** Blocks of the present stage: carries rollback, so that an old success does not outweigh a new failure. */
  readonly stageEvidence: BlockSequence;
  /** A person holds it where it is: it may still be taken back. */
  readonly paused?: { readonly reason: string };
  /** What the checks before traffic have found so far. */
  readonly checks?: readonly CheckResult[];
  readonly live?: LiveState;
}

/** What can change a rollout. Times are event times in epoch milliseconds. */
export type Fact =
  | { readonly kind: 'block'; readonly start: number; readonly requests: number; readonly differenceSum: number }
  | {
      readonly kind: 'guardrail';
      /** Of several candidates, which. */
      readonly arm?: string | undefined;
      readonly reason: 'error-rate' | 'latency';
      readonly observed: number;
      readonly limit: number;
      readonly requests: number;
      readonly error?: string | undefined;
    }
  | { readonly kind: 'promote'; readonly reason: string; readonly arm?: string | undefined }
  | { readonly kind: 'abort'; readonly reason: string };

export type DecisionCause =
  | 'better'
  | 'worse'
  | 'not-better-in-time'
  | 'baked'
  | 'survived'
  | 'guardrail'
  | 'promoted'
  | 'aborted';

/** A change of stage or step, with what it rests on. */
export interface Decision {
  readonly from: Stage;
  readonly to: Stage;
  readonly weight: number;
  /** Event time of what decided; null for a guardrail or a command, which have none. */
  readonly at: number | null;
  /** Of late labels. */
  readonly figures: Figures | null;
  /** Of several candidates, which it is about; what is promoted, where it is about more. */
  readonly arm?: string;
  /** Of live traffic. */
  readonly findings?: readonly Finding[];
  /** Of the checks before traffic. */
  readonly checks?: readonly CheckResult[];
  readonly sentence: string;
}

export interface Outcome {
  readonly state: RolloutState;
  readonly decision: Decision | null;
}

const ACTIVE: readonly Stage[] = ['checking', 'shadow', 'canary', 'probation'];
export const isActive = (stage: Stage): boolean => ACTIVE.includes(stage);
export const isFinal = (stage: Stage): boolean => !isActive(stage) && stage !== 'queued';

export function planOf(spec: EndpointSpec): RolloutPlan {
  const { strategy, shadow, canary, probation, decision, live, checks } = spec.rollout;
  return {
    shadowMaxMs: durationMs(shadow.maxDuration),
    steps: canary.steps,
    bakeMs: durationMs(canary.bake),
    probationMs: durationMs(probation),
    ...decision,
    labelLatenessMs: durationMs(spec.labelLateness),
    checks: checksPlanOf(checks),
    ...(strategy === 'paired' ? {} : { live: livePlanOf(strategy, live) }),
  };
}

/** A rollout at its start. A forced one begins in probation: it answers everything, watched against the former. */
export function startState(plan: RolloutPlan, { forced, stage }: Pick<RolloutState, 'forced' | 'stage'>): RolloutState {
  const evidence = emptyEvidence(plan);
  const none = { stageFrom: null, stepFrom: null, lastBlock: null };
  const live = plan.live ? { live: startLive(plan.live) } : {};
  return { stage, step: 0, forced, ...none, evidence, stageEvidence: evidence, ...live };
}

/**
 * The state machine of a rollout that is decided on pairs and labels: what a fact makes of it. Facts about a rollout
 * that has ended change nothing, and so does a block that was counted before.
 */
export function decide(state: RolloutState, fact: Fact, plan: RolloutPlan): Outcome {
  if (!isActive(state.stage)) return { state, decision: null };
  switch (fact.kind) {
    case 'block':
      return decideOnBlock(state, fact, plan);
    case 'guardrail':
      return change(state, { to: failed(state.stage), cause: 'guardrail', at: null, fact }, plan);
    case 'promote':
      return change(state, { ...next(state, plan), cause: 'promoted', at: null, fact }, plan);
    case 'abort':
      return change(state, { to: 'aborted', cause: 'aborted', at: null, fact }, plan);
    default:
      return unreachable(fact);
  }
}

export type BlockFact = Extract<Fact, { kind: 'block' }>;

function decideOnBlock(before: RolloutState, fact: BlockFact, plan: RolloutPlan): Outcome {
  if (before.lastBlock !== null && fact.start <= before.lastBlock) return { state: before, decision: null };
  const state = withBlock(before, fact, plan);
  const at = fact.start + BLOCK_MS;
  const overall = judge(state.evidence, { margin: plan.margin }).decision;
  const present = judge(state.stageEvidence, { margin: plan.margin }).decision;
  const inStageMs = at - (state.stageFrom ?? at);
  const inStepMs = at - (state.stepFrom ?? at);
  const to = (transition: Omit<Transition, 'at'>): Outcome => change(state, { ...transition, at }, plan);

  if (present === 'worse' || overall === 'worse') return to({ to: failed(state.stage), cause: 'worse' });
  if (state.stage === 'probation') {
    if (inStageMs < plan.probationMs) return { state, decision: null };
    // Whoever waived the gate has shown nothing yet: such a candidate has to be better, not only not worse.
    const unproven = state.forced && overall !== 'better';
    return to(unproven ? { to: 'rolled-back', cause: 'not-better-in-time' } : { to: 'completed', cause: 'survived' });
  }
  if (overall === 'better' && (state.stage === 'shadow' || inStepMs >= plan.bakeMs)) {
    return to({ ...next(state, plan), cause: state.stage === 'shadow' ? 'better' : 'baked' });
  }
  // A canary has its baking time on top of the time in which it may be undecided.
  const limitMs = plan.shadowMaxMs + (state.stage === 'canary' ? plan.bakeMs * plan.steps.length : 0);
  if (overall !== 'better' && inStageMs >= limitMs) {
    return to({ to: failed(state.stage), cause: 'not-better-in-time' });
  }
  return { state, decision: null };
}

/**
 * The state with one more block. A change of weight takes effect when the block that caused it is known, which is
 * `labelLatenessMs` after its end: blocks before that ran under the former stage. They count as evidence, as pairs do
 * not depend on who answers, but neither as baking time nor against the new stage.
 */
export function withBlock(state: RolloutState, fact: BlockFact, plan: RolloutPlan): RolloutState {
  const { start, requests, differenceSum } = fact;
  const effectiveFrom = state.lastBlock === null ? start : start + plan.labelLatenessMs;
  const stageFrom = state.stageFrom ?? effectiveFrom;
  const block = { requests, differenceSum };
  return {
    ...state,
    stageFrom,
    stepFrom: state.stepFrom ?? effectiveFrom,
    lastBlock: start,
    evidence: addBlock(state.evidence, block),
    stageEvidence: start >= stageFrom ? addBlock(state.stageEvidence, block) : state.stageEvidence,
  };
}

interface Transition {
  readonly to: Stage;
  readonly step?: number;
  readonly cause: DecisionCause;
  readonly at: number | null;
  readonly fact?: Exclude<Fact, BlockFact>;
}

function change(state: RolloutState, transition: Transition, plan: RolloutPlan): Outcome {
  const { to, step = 0, cause, at, fact } = transition;
  const effectiveFrom = at === null ? null : at + plan.labelLatenessMs;
  const sameStage = to === state.stage;
  const after: RolloutState = {
    ...state,
    stage: to,
    step,
    stageFrom: sameStage ? state.stageFrom : effectiveFrom,
    stepFrom: effectiveFrom,
    stageEvidence: sameStage ? state.stageEvidence : emptyEvidence(plan),
  };
  const weight = weightOf(after, plan);
  // A rollback for what the present stage saw is explained by that; everything else by all there is.
  const watched = cause === 'worse' && judge(state.evidence, { margin: plan.margin }).decision !== 'worse';
  const figures = figuresOf(watched ? state.stageEvidence : state.evidence, plan);
  const sentence = sentenceOf({ cause, from: state.stage, to, weight, figures, plan, ...(fact ? { fact } : {}) });
  return { state: after, decision: { from: state.stage, to, weight, at, figures, sentence } };
}

/** Where a success leads. */
function next({ stage, step }: RolloutState, plan: RolloutPlan): { readonly to: Stage; readonly step?: number } {
  if (stage === 'probation') return { to: 'completed' };
  const following = stage === 'shadow' ? 0 : step + 1;
  return following < plan.steps.length ? { to: 'canary', step: following } : { to: 'probation' };
}

/** Where a failure leads: what never answered anybody is refused, everything else is rolled back. */
export function failed(stage: Stage): Stage {
  return stage === 'shadow' || stage === 'checking' ? 'refused' : 'rolled-back';
}

export function figuresOf(evidence: BlockSequence, plan: RolloutPlan): Figures {
  const { decision, blocks, requests, mean, interval, sum, boundary } = judge(evidence, { margin: plan.margin });
  const { low = null, high = null } = interval ?? {};
  return { verdict: decision, blocks, requests, mean, low, high, sum, boundary };
}

function emptyEvidence({ alpha, burnInBlocks, dependence }: RolloutPlan): BlockSequence {
  return startBlockSequence({ alpha, burnInBlocks, dependence });
}
