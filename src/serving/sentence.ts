import { formatDuration } from '#core/units';
import type { Figures } from './contract.ts';
import type { DecisionCause, Fact, RolloutPlan, Stage } from './model.ts';

export interface Explained {
  readonly cause: DecisionCause;
  readonly from: Stage;
  readonly to: Stage;
  readonly weight: number;
  readonly figures: Figures;
  readonly plan: RolloutPlan;
  readonly fact?: Exclude<Fact, { kind: 'block' }>;
}

/** Says a decision in words that hold without the screen around them. */
export function sentenceOf(explained: Explained): string {
  return `${reasonOf(explained)}; ${consequenceOf(explained.to, explained.weight)}.`;
}

function reasonOf({ cause, from, figures, plan, fact }: Explained): string {
  const { mean } = figures;
  const size = mean === null ? '' : ` by ${number(Math.abs(mean))} log loss per request`;
  const evidence = evidenceOf(figures, plan);
  const timeHad = from === 'probation' ? plan.probationMs : plan.shadowMaxMs;
  switch (cause) {
    case 'better':
      return `The candidate is better${size} (${evidence})`;
    case 'baked':
      return `The candidate stayed better${size} through its baking time (${evidence})`;
    case 'worse':
      return `The candidate is worse${size} (${evidence})`;
    case 'not-better-in-time':
      return `The candidate was not shown to be better in the ${formatDuration(timeHad)} it had (${evidence})`;
    case 'survived':
      return `The candidate was not worse in its probation of ${formatDuration(plan.probationMs)} (${evidence})`;
    case 'guardrail':
      return fact?.kind === 'guardrail' ? guardrailSentence(fact) : 'A guardrail tripped';
    case 'promoted':
      return `Promoted by hand: ${reasonGiven(fact)}`;
    case 'aborted':
      return `Aborted by hand: ${reasonGiven(fact)}`;
  }
}

/** What a decision means for the requests. */
export function consequenceOf(to: Stage, weight: number): string {
  if (to === 'canary') return `it now answers ${weight} % of the requests`;
  if (to === 'shadow') return 'it is now scored beside every answer and answers nobody';
  if (to === 'probation') return 'it now answers all requests, with the former revision scored beside it';
  if (to === 'completed') return 'it is the current revision';
  if (to === 'refused') return 'it has answered nobody and is refused';
  if (to === 'rolled-back') return 'the former revision answers all requests again, and the endpoint is locked';
  return 'the current revision answers all requests';
}

function evidenceOf({ blocks, requests, low, high }: Figures, { alpha, margin }: RolloutPlan): string {
  const level = `${Number((100 * (1 - alpha)).toPrecision(4))} %`;
  const interval =
    low === null || high === null
      ? 'too little for an interval'
      : `with ${level} confidence at every look between ${number(low)} and ${number(high)}`;
  const against = margin > 0 ? `, margin ${number(margin)}` : '';
  return `${interval}${against}; ${blocks} hours, ${requests} paired requests`;
}

export function guardrailSentence(fact: Extract<Fact, { kind: 'guardrail' }>): string {
  const share = `${percent(fact.observed)} of ${fact.requests} requests`;
  const last = fact.error ? `, the last with "${fact.error.slice(0, 200)}"` : '';
  const who = fact.arm === undefined ? 'The candidate' : `Arm '${fact.arm}'`;
  return fact.reason === 'error-rate'
    ? `${who} failed ${share}, the limit is ${percent(fact.limit)}${last}`
    : `${who} was too slow for ${share}, the limit is ${percent(fact.limit)}`;
}

function reasonGiven(fact: Explained['fact']): string {
  return fact && 'reason' in fact ? fact.reason : '';
}

function number(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}
