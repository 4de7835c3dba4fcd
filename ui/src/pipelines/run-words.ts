import type { RunDetail, RunView, StepView, UnitView } from '#pipelines/contract';
import { formatDurationShort, formatTime } from '../data/format.ts';
import { placeOfSubject, places } from '../places.ts';

interface Cause {
  /** Who, without when. */
  readonly short: string;
  readonly text: string;
  readonly to: string | undefined;
}

/** Who or what started a run, in words. */
export function causeOf({ cause }: Pick<RunView, 'cause'>): Cause {
  const at = cause.at === undefined ? '' : `, at event time ${formatTime(cause.at)}`;
  const chain = cause.depth > 1 ? `, ${cause.depth} automatic steps away from a person` : '';
  const who = { user: '', rule: 'the rule ', event: 'the event ', schedule: 'the schedule ' }[cause.kind];
  const name = cause.kind === 'rule' ? cause.id.replace(/^rule\//, '') : cause.id;
  return {
    short: `${cause.kind === 'rule' ? 'rule ' : ''}${name}`,
    text: `${who}${name}${at}${chain}`,
    to: placeOfSubject(cause.id),
  };
}

export function paramsText(params: RunView['params']): string {
  return Object.entries(params)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

/** What a unit stands for: fields by their names, anything else as JSON. */
export function itemText(item: UnitView['item']): string {
  if (typeof item === 'string') return item;
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return JSON.stringify(item);
  return Object.entries(item)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}

/** The unit or step that a run is in the run around it, and where that is shown. */
export function placeWithin({ cause: { within } }: Pick<RunView, 'cause'>) {
  if (!within) return undefined;
  const [step = ''] = within.step.split(':');
  const what = step === within.step ? 'step' : 'unit';
  return { run: within.run, step, text: `${what} ${within.step}`, to: places.run(within.run, { step }) };
}

/** How long a run took, or takes so far. */
export function durationOf(run: RunView, now: number): number | null {
  if (run.startedAt === null) return null;
  return (run.finishedAt ?? now) - run.startedAt;
}

export function durationText(ms: number | null): string {
  return ms === null ? '–' : formatDurationShort(ms);
}

/** How far a step is, in words, for those that are not done. */
export function progressText(step: StepView): string {
  if (step.status === 'cached') return 'taken from the cache';
  if (step.status === 'queued') return step.readyAt === null ? waitsFor(step) : 'waits for a worker';
  if (step.units) {
    const { succeeded, cached, failed, cancelled, running, queued } = step.units;
    const done = succeeded + cached + failed + cancelled;
    return `${done} of ${done + running + queued} units done${failed > 0 ? `, ${failed} failed` : ''}`;
  }
  if (!step.progress) return step.reason ?? '';
  const { n, of, text } = step.progress;
  const share = of > 0 ? `${Math.floor((100 * n) / of)} %` : '';
  return [share, text].filter(Boolean).join(' · ');
}

function waitsFor({ needs }: StepView): string {
  return needs.length > 0 ? `after ${needs.join(', ')}` : 'waits';
}

/** The step that a person wants to see first: what failed, else what runs, else the last one. */
export function firstInterest({ steps }: RunDetail): string | undefined {
  const failed = steps.find(({ status }) => status === 'failed');
  const running = steps.find(({ status }) => status === 'running');
  return (failed ?? running ?? steps.at(-1))?.step;
}
