import type { AttemptView, RunDetail, StepView } from '#pipelines/contract';

/** Between the attempts of a step, and before the first one. */
interface Waiting {
  readonly kind: 'queued' | 'retried' | 'asked';
  readonly from: number;
  readonly to: number;
}

interface Working {
  readonly kind: 'attempt';
  readonly from: number;
  readonly to: number;
  readonly attempt: AttemptView;
}

/** A step without attempts of its own: one that was divided, or that waited for a person or a time. */
interface Lasting {
  readonly kind: 'step';
  readonly from: number;
  readonly to: number;
}

export type Span = Waiting | Working | Lasting;

/**
 * What a step did when, in order: queued from the moment when all that it needs was done until a worker took it, then
 * its attempts with the waits between them. What goes on ends `now`.
 */
export function spansOf(step: StepView, run: RunDetail, now: number): readonly Span[] {
  if (step.status === 'cached' || step.status === 'skipped') return [];
  const ready = readyOf(step, run);
  const attempts = step.attempts.toSorted((a, b) => a.epoch - b.epoch);
  const begun = attempts[0]?.startedAt ?? step.startedAt;
  const spans: Span[] = [];
  const isOver = step.finishedAt !== null;
  if (ready !== undefined && begun !== null && begun !== undefined && begun > ready) {
    spans.push({ kind: 'queued', from: ready, to: begun });
  }
  if (begun === null || begun === undefined) {
    if (ready === undefined) return [];
    const kind = step.status === 'waiting' ? 'asked' : 'queued';
    return [{ kind, from: ready, to: step.finishedAt ?? Math.max(ready, now) }];
  }
  if (attempts.length === 0) return [...spans, { kind: 'step', from: begun, to: step.finishedAt ?? now }];
  let end = begun;
  for (const attempt of attempts) {
    if (attempt.startedAt > end) spans.push({ kind: 'retried', from: end, to: attempt.startedAt });
    end = attempt.finishedAt ?? Math.max(attempt.startedAt, now);
    spans.push({ kind: 'attempt', from: attempt.startedAt, to: end, attempt });
  }
  if (!isOver && step.status === 'queued') spans.push({ kind: 'retried', from: end, to: Math.max(end, now) });
  return spans;
}

/** When all that a step needs was done; undefined while something is not, or never was. */
function readyOf(step: StepView, run: RunDetail): number | undefined {
  if (step.readyAt === null && step.startedAt === null) return undefined;
  if (run.admittedAt === null) return undefined;
  const needed = run.steps.filter(({ step: name }) => step.needs.includes(name));
  return needed.reduce((latest, { finishedAt }) => Math.max(latest, finishedAt ?? 0), run.admittedAt);
}

export interface Times {
  readonly waitedMs: number;
  readonly workedMs: number;
}

/** How long a step waited for workers, over all its attempts, and how long they worked. */
export function timesOf(spans: readonly Span[]): Times {
  const sum = (isCounted: (span: Span) => boolean) =>
    spans.filter(isCounted).reduce((total, { from, to }) => total + (to - from), 0);
  return {
    waitedMs: sum(({ kind }) => kind === 'queued' || kind === 'retried'),
    workedMs: sum(({ kind }) => kind === 'attempt' || kind === 'step'),
  };
}
