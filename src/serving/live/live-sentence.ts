import { type ContextualState, valuesOf } from './contextual.ts';
import type { Finding } from './evidence.ts';
import type { LivePlan } from './live-spec.ts';

/** Says what one measure shows, in words that hold without the screen around them. */
export function findingSentence(finding: Finding, plan: LivePlan): string {
  const { measure, verdict, low, high, requests, margin } = finding;
  if (verdict === 'not-measured') return `${NAMES[measure]} not measured`;
  const interval =
    low === null || high === null
      ? `too little for an interval, ${requests} requests`
      : `${figure(finding, low)} to ${figure(finding, high)} of ${requests} requests`;
  const level = `${Number((100 * (1 - plan.alpha)).toPrecision(4))} % confidence at every look`;
  const limit = `limit ${figure(finding, margin)}`;
  const name = measure === 'metric' ? (plan.metric?.name ?? 'metric') : NAMES[measure];
  return `${name} ${WORDS[measure][verdict]} (${interval}, ${limit}, ${level})`;
}

/** What a contextual bandit has learnt, by what its requests earned. */
export function learntSentence(contextual: ContextualState, plan: LivePlan): string {
  const [bandit, current, ...candidates] = valuesOf(contextual, plan).map(({ policy, ips }) => ({
    name: policy === 'candidate' ? 'the candidate' : `'${policy}'`,
    value: ips.value === null ? '-' : String(Number(ips.value.toPrecision(3))),
  }));
  const others = candidates.map(({ name, value }) => `${name} ${value}`).join(', ');
  return (
    `The bandit learnt from ${contextual.rows} requests whom to give which arm: they earned ${bandit?.value} each, ` +
    `the current revision alone would have earned ${current?.value} and ${others}`
  );
}

const NAMES = { errors: 'errors', latency: 'latency', flips: 'decisions', metric: 'metric' } as const;

const WORDS = {
  errors: { worse: 'rose', undecided: 'may have risen', harmless: 'did not rise', better: 'fell' },
  latency: { worse: 'rose', undecided: 'may have risen', harmless: 'did not rise', better: 'fell' },
  flips: { worse: 'differ too often', undecided: 'may differ', harmless: 'agree', better: 'agree' },
  metric: { worse: 'is worse', undecided: 'is not decided', harmless: 'is not worse', better: 'is better' },
} as const;

function figure({ measure }: Finding, value: number): string {
  if (measure === 'metric') return String(Number(value.toPrecision(3)));
  const text = Number((100 * value).toPrecision(3));
  if (measure === 'errors') return `${text > 0 ? '+' : ''}${text} points`;
  return `${measure === 'latency' && text > 0 ? '+' : ''}${text} %`;
}
