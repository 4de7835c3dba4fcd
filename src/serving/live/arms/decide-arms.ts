import { formatDuration } from '#core/units';
import { checkAllocation } from '#math/test/allocation';
import type { Decision, Outcome, RolloutPlan, RolloutState, Stage } from '../../model.ts';
import { consequenceOf, guardrailSentence } from '../../sentence.ts';
import { isContextual, pushedAt, withRewards } from '../contextual.ts';
import type { LiveFact } from '../decide-live.ts';
import type { Finding } from '../evidence.ts';
import { frozenBy } from '../freeze.ts';
import { findingSentence, learntSentence } from '../live-sentence.ts';
import type { LivePlan } from '../live-spec.ts';
import type { Hold, LiveState } from '../live-state.ts';
import type { ArmPlan } from './arms-spec.ts';
import {
  type ArmOut,
  type ArmState,
  type ArmsState,
  armsIn,
  armWeights,
  findingsOfArm,
  shareOfArms,
  withArmsEarned,
  withArmsSeen,
} from './arms-state.ts';
import { beatenBy, contest, type Standing, standingOf } from './contest.ts';
import { shiftOfArms } from './shift-arms.ts';

/** A rollout of several candidates. */
export interface Armed {
  readonly state: RolloutState & { readonly live: LiveState & { readonly arms: ArmsState } };
  readonly plan: RolloutPlan & { readonly live: LivePlan & { readonly arms: readonly ArmPlan[] } };
}

/**
 * The state machine of a rollout of several candidates: each is held against the current revision as the one candidate
 * of other rollouts is. What does harm is taken out and the others go on; what cannot win is too (successive
 * elimination: Even-Dar, Mannor and Mansour 2006); the last one that is better is promoted.
 */
export function decideArms({ state, plan }: Armed, fact: LiveFact): Outcome {
  const { live } = state;
  switch (fact.kind) {
    case 'observation': {
      const { observation: seen } = fact;
      const arms = withArmsSeen(live.arms, seen);
      const times = {
        startedAt: live.startedAt ?? seen.start,
        stepFrom: live.stepFrom ?? seen.start,
        latest: Math.max(live.latest ?? 0, seen.end),
        stepRequests: live.stepRequests + seen.candidate.scored,
      };
      return judge(withLive({ state, plan }, { ...times, arms }));
    }
    case 'outcomes': {
      const arms = withArmsEarned(live.arms, fact.outcomes, plan.live);
      const contextual = live.contextual && withRewards(live.contextual, fact.outcomes.rows ?? [], plan.live);
      const now = withLive({ state, plan }, { arms, ...(contextual ? { contextual } : {}) });
      return shifted(now, judge(now), fact.outcomes.end);
    }
    case 'guardrail': {
      const arm = armsIn(live.arms).find(({ name }) => name === fact.arm);
      if (!arm) return { state, decision: null };
      const sentence = guardrailSentence({ ...fact, arm: arm.name });
      return goOn({ state, plan }, [{ arm, kind: 'guardrail', sentence, findings: findingsOfArm(arm, plan.live) }]);
    }
    case 'drop': {
      const arm = armsIn(live.arms).find(({ name }) => name === fact.arm);
      if (!arm) return { state, decision: null };
      return goOn({ state, plan }, [{ arm, kind: 'by-hand', sentence: `Arm '${arm.name}' by hand: ${fact.reason}` }]);
    }
    case 'promote': {
      const arm = armsIn(live.arms).find(({ name }) => name === fact.arm);
      if (!arm) return { state, decision: null };
      return promote({ state, plan }, { arm, because: `Arm '${arm.name}' is promoted by hand: ${fact.reason}` });
    }
    case 'approve': {
      const approved = withLive({ state, plan }, { approved: true });
      return live.hold?.kind === 'approval' ? judge(approved) : { state: approved.state, decision: null };
    }
    case 'abort':
      return change({ state, plan }, { to: 'aborted', because: `Aborted by hand: ${fact.reason}` });
    // Nobody is scored beside an answer, so there are no pairs for labels to compare.
    case 'block':
      return { state, decision: null };
  }
}

function withLive({ state, plan }: Armed, change: Partial<Armed['state']['live']>): Armed {
  return { state: { ...state, live: { ...state.live, ...change } }, plan };
}

interface TakenOut extends Pick<ArmOut, 'kind' | 'sentence'> {
  readonly arm: ArmState;
  readonly findings?: readonly Finding[];
}

/** What this look at the evidence shows. */
function judge(current: Armed): Outcome {
  const { state, plan } = current;
  const { arms, latest, startedAt } = state.live;
  const standings = armsIn(arms).map((arm) => standingOf(arm, plan.live));
  const harmful = standings.flatMap((one) => harmOf(one, plan.live));
  const stops = stopOf(current);
  const steady = isSteady(current, stops);
  const left = standings.filter(({ arm }) => !harmful.some((out) => out.arm === arm));
  const lost = steady ? left.flatMap((one) => lossOf(one, left, plan.live)) : [];
  const outs = [...harmful, ...lost];
  const field = left.filter(({ arm }) => !lost.some((out) => out.arm === arm));
  const late = latest !== null && startedAt !== null && latest - startedAt >= plan.live.maxMs;
  const { winner, hold } = contest(field, plan.live, late);
  if (winner && !stops && (steady || late)) {
    const because = [...outs.map(({ sentence }) => sentence), winner.because].join('; ');
    return promote(current, { arm: winner.arm, because, findings: findingsOfArm(winner.arm, plan.live), outs });
  }
  if (outs.length > 0) return goOn(current, outs);
  const held = stops ?? (winner ? askedOf(current) : undefined) ?? hold;
  if (late) {
    const time = formatDuration(plan.live.maxMs);
    const because = `In the ${time} it had the rollout did not come to an end: ${held.sentence}`;
    return change(current, { to: 'aborted', because });
  }
  return { state: withLive(current, { hold: held }).state, decision: null };
}

function harmOf({ arm, harmful }: Standing, plan: LivePlan): TakenOut[] {
  if (!harmful) return [];
  const findings = findingsOfArm(arm, plan);
  const worst = findings.find(({ verdict }) => verdict === 'worse');
  if (!worst) return [];
  const sentence = `Arm '${arm.name}' is taken out: ${findingSentence(worst, plan)}`;
  return [{ arm, kind: 'worse', sentence, findings }];
}

/** An arm that another one is shown to beat, or that is shown not to be worth a change. */
function lossOf(standing: Standing, field: readonly Standing[], plan: LivePlan): TakenOut[] {
  const { arm, metric, advantage } = standing;
  if (!advantage || !metric) return [];
  const better = beatenBy(standing, field);
  if (!better && advantage.high >= (plan.metric?.margin ?? 0)) return [];
  const told = findingSentence(metric, plan);
  const findings = findingsOfArm(arm, plan);
  if (better) {
    const sentence = `Arm '${arm.name}' is taken out: '${better.arm.name}' is better by its whole interval; ${told}`;
    return [{ arm, kind: 'beaten', sentence, findings }];
  }
  const sentence = `Arm '${arm.name}' is taken out: it is not better than the current revision by the margin; ${told}`;
  return [{ arm, kind: 'futile', sentence, findings }];
}

/** Nothing but harm may move the traffic while a person or the calendar says so, or the split is not the declared. */
const isSteady = (current: Armed, stops: Hold | undefined): boolean => !stops && frozenOf(current) === undefined;

function stopOf({ state }: Armed): Hold | undefined {
  if (state.paused) return { kind: 'paused', sentence: `paused by hand: ${state.paused.reason}` };
  const { split } = state.live.arms;
  if (!split) return undefined;
  const ratio = checkAllocation(split.allocation);
  if (!ratio.mismatch) return undefined;
  const { names, allocation } = split;
  const counts = names.map((name, i) => `${allocation.counts[i]} to ${name}`).join(', ');
  const sentence = `requests went ${counts}, which are not the shares declared (p ${ratio.pValue.toPrecision(2)})`;
  return { kind: 'sample-ratio', sentence };
}

function frozenOf({ state, plan }: Armed): Hold | undefined {
  const window = frozenBy(plan.live.freeze, state.live.latest ?? 0);
  return window && { kind: 'frozen', sentence: `changes are frozen from ${window.from} to ${window.to} UTC` };
}

/** What a promotion that the evidence allows still waits for. */
function askedOf(current: Armed): Hold | undefined {
  const { state, plan } = current;
  const frozen = frozenOf(current);
  if (frozen) return frozen;
  if (plan.live.approval === 'never' || state.live.approved) return undefined;
  return { kind: 'approval', sentence: 'an arm has won; all traffic waits for a person' };
}

/** Takes arms out. The others go on with their shares; without any the rollout ends. */
function goOn(current: Armed, outs: readonly TakenOut[]): Outcome {
  const after = without(current, outs);
  const because = outs.map(({ sentence }) => sentence).join('; ');
  const left = armsIn(after.state.live.arms);
  const findings = outs[0]?.findings;
  const about = { arm: outs.at(-1)?.arm.name, ...(findings ? { findings } : {}) };
  if (left.length > 0) return change(after, { to: 'canary', because: `${because}; ${goesOn(after)}`, ...about });
  const harm = after.state.live.arms.arms.every(({ out }) => out?.kind === 'guardrail' || out?.kind === 'worse');
  const end = harm ? 'every arm was worse' : 'no arm is left';
  return change(after, { to: harm ? 'rolled-back' : 'aborted', because: `${because}; ${end}`, ...about });
}

function without(current: Armed, outs: readonly TakenOut[]): Armed {
  const { arms, latest } = current.state.live;
  const lead = outs.at(-1)?.arm.name ?? arms.lead;
  const taken = arms.arms.map((arm) => {
    const out = outs.find((one) => one.arm.name === arm.name);
    return out ? { ...arm, out: { kind: out.kind, at: latest, sentence: out.sentence } } : arm;
  });
  return withLive(current, { arms: { ...arms, arms: taken, lead } });
}

function goesOn({ state, plan }: Armed): string {
  const shares = armWeights(state.live.arms, plan.live.arms);
  return [...shares].map(([name, share]) => `${name} ${Number(share.toFixed(2))} %`).join(', ');
}

interface Promotion {
  readonly arm: ArmState;
  readonly because: string;
  readonly findings?: readonly Finding[];
  readonly outs?: readonly TakenOut[];
}

function promote(current: Armed, { arm, because, findings, outs = [] }: Promotion): Outcome {
  const after = without(current, outs);
  const { arms } = after.state.live;
  const led = withLive(after, { arms: { ...arms, lead: arm.name } });
  const asked = findings ? askedOf(current) : undefined;
  if (asked) {
    if (outs.length > 0) return goOn(current, outs);
    return { state: withLive(current, { hold: asked }).state, decision: null };
  }
  return change(led, { to: 'completed', because, arm: arm.name, ...(findings ? { findings } : {}) });
}

/** A bandit moves the traffic where nothing else was decided. */
function shifted({ state, plan }: Armed, outcome: Outcome, at: number): Outcome {
  const live = outcome.state.live as Armed['state']['live'];
  if (outcome.decision || state.paused || frozenBy(plan.live.freeze, at)) return outcome;
  const now: Armed = { state: { ...outcome.state, live }, plan };
  if (isContextual(plan.live)) {
    const learnt = live.contextual && pushedAt(live.contextual, at, plan.live);
    if (!learnt) return outcome;
    const because = learntSentence(learnt, plan.live);
    return change(withLive(now, { contextual: learnt }), { to: 'canary', because });
  }
  const weights = shiftOfArms(live.arms, plan.live, at);
  if (!weights) return outcome;
  const moved = withLive(now, { arms: { ...live.arms, weights, shiftedAt: at } });
  return change(moved, { to: 'canary', because: `The bandit moves the shares: ${goesOn(moved)}` });
}

interface Transition {
  readonly to: Stage;
  readonly because: string;
  readonly arm?: string | undefined;
  readonly findings?: readonly Finding[];
}

function change({ state, plan }: Armed, { to, because, arm, findings }: Transition): Outcome {
  const live: LiveState = { ...state.live, hold: null };
  const weight = to === 'canary' ? shareOfArms(state.live.arms, plan.live.arms) : to === 'completed' ? 100 : 0;
  const decision: Decision = {
    ...{ from: state.stage, to, weight, at: state.live.latest, figures: null },
    sentence: to === 'canary' ? `${because}.` : `${because}; ${consequenceOf(to, weight)}.`,
    ...(arm === undefined ? {} : { arm }),
    ...(findings ? { findings } : {}),
  };
  return { state: { ...state, stage: to, step: 0, live }, decision };
}
