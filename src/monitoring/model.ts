import type { AlertSpec, MetricName, SignalView } from './contract.ts';

/** Event times `from` to before `to`, in epoch milliseconds. */
export interface TimeRange {
  readonly from: number;
  readonly to: number;
}

/** A prediction as evaluation sees it: who scored what, and what really happened. */
export interface ScoredRow {
  readonly id: string;
  readonly at: number;
  readonly revision: string;
  readonly arm: 'current' | 'candidate';
  readonly score: number;
  readonly shadowRevision: string | null;
  readonly shadowScore: number | null;
  /** The candidate that should have answered and did not. */
  readonly failedRevision: string | null;
  readonly label: number | null;
}

/** How far a monitor is evaluated: every window that starts before these event times is. */
export interface Progress {
  readonly monitor: string;
  readonly endpoint: string;
  readonly windowMs: number;
  readonly inputsUntil: number;
  readonly qualityUntil: number;
}

/** Inputs and scores are complete when a window ends; quality waits for labels. */
export type Stage = 'inputs' | 'quality';

export function stageOf(metric: MetricName | 'psi'): Stage {
  return metric === 'psi' || metric === 'mean-prediction' ? 'inputs' : 'quality';
}

/** Windows start at multiples of their length from the epoch. */
export function windowStartOf(at: number, windowMs: number): number {
  return at - (at % windowMs);
}

/** What happens next to an endpoint: one window of one stage of a monitor, or one block of a rollout. */
export interface DueItem {
  readonly kind: Stage | 'block';
  /** The monitor or the rollout. */
  readonly of: string;
  readonly start: number;
  readonly end: number;
  /** The watermark from which on it can be evaluated. */
  readonly dueAt: number;
}

const KINDS = ['block', 'inputs', 'quality'] as const;

/** The item to evaluate first: by due time, then kind, then name, so that equal histories give equal results. */
export function firstDue(items: Iterable<DueItem>): DueItem | undefined {
  let first: DueItem | undefined;
  for (const item of items) if (!first || comesBefore(item, first)) first = item;
  return first;
}

function comesBefore(a: DueItem, b: DueItem): boolean {
  if (a.dueAt !== b.dueAt) return a.dueAt < b.dueAt;
  if (a.kind !== b.kind) return KINDS.indexOf(a.kind) < KINDS.indexOf(b.kind);
  return a.of < b.of;
}

/** A figure of one window as an alert sees it. `threshold` is the calibrated one, where there is one. */
export interface AlertWindow {
  readonly start: number;
  readonly value: number | null;
  readonly threshold: number | null;
}

/** The last `n` windows of what an alert looks at, oldest first; of the metric `psi` one series a feature. */
export interface AlertSeries {
  readonly feature: string | null;
  readonly windows: readonly AlertWindow[];
}

type JudgedWindow = SignalView['windows'][number];

export interface AlertState {
  readonly state: 'firing' | 'resolved';
  readonly feature: string | null;
}

export interface AlertChange extends AlertState {
  readonly value: number | null;
  readonly threshold: number | null;
  readonly windows: readonly JudgedWindow[];
  readonly sentence: string;
}

/**
 * Whether an alert changes its state: it fires while in some series at least `k` windows are beyond the limit, each
 * series counted by itself, and is resolved when that holds for none. `undefined` when nothing changes. A window
 * without a value, or without a threshold where the calibrated one is asked for, is not beyond.
 */
export function decideAlert(
  alert: AlertSpec,
  series: readonly AlertSeries[],
  before: AlertState | undefined,
): AlertChange | undefined {
  const judged = series.map(({ feature, windows }) => ({
    feature,
    windows: windows.slice(-alert.n).map((window) => judge(alert, window)),
  }));
  const firing = judged.filter(({ windows }) => beyondIn(windows) >= alert.k);
  const wasFiring = before?.state === 'firing';
  if (firing.length > 0 === wasFiring) return undefined;
  const shown = wasFiring ? judged.find(({ feature }) => feature === before.feature) : worstOf(firing);
  const { feature = before?.feature ?? null, windows = [] } = shown ?? {};
  const newest = windows.at(-1);
  const state = wasFiring ? 'resolved' : 'firing';
  return {
    state,
    feature,
    value: newest?.value ?? null,
    threshold: newest?.threshold ?? null,
    windows,
    sentence: sentenceOf(alert, { state, feature, windows, others: firing.length - 1 }),
  };
}

function judge(alert: AlertSpec, window: AlertWindow): JudgedWindow {
  const { start, value } = window;
  const threshold = alert.below ?? (alert.above === 'calibrated' ? window.threshold : (alert.above ?? null));
  if (value === null || threshold === null) return { start, value, threshold, beyond: false };
  return { start, value, threshold, beyond: alert.below === undefined ? value > threshold : value < threshold };
}

function beyondIn(windows: readonly JudgedWindow[]): number {
  return windows.filter((window) => window.beyond).length;
}

interface JudgedSeries {
  readonly feature: string | null;
  readonly windows: readonly JudgedWindow[];
}

/** The series whose newest value is furthest past its limit, in multiples of the limit. */
function worstOf(series: readonly JudgedSeries[]): JudgedSeries | undefined {
  const excess = ({ windows }: JudgedSeries): number => {
    const newest = windows.at(-1);
    if (!newest || newest.value === null || newest.threshold === null) return Number.NEGATIVE_INFINITY;
    return (newest.value - newest.threshold) / Math.max(Math.abs(newest.threshold), 1e-9);
  };
  return [...series].sort((a, b) => excess(b) - excess(a) || ((a.feature ?? '') < (b.feature ?? '') ? -1 : 1))[0];
}

function sentenceOf(
  alert: AlertSpec,
  found: JudgedSeries & { readonly state: 'firing' | 'resolved'; readonly others: number },
): string {
  const what = found.feature === null ? alert.metric : `${alert.metric} of ${found.feature}`;
  const side = alert.below === undefined ? 'above' : 'below';
  const shown = found.windows.map(
    ({ start, value, threshold }) => `${dayOf(start)} ${numberText(value)} (limit ${numberText(threshold)})`,
  );
  const count = `${beyondIn(found.windows)} of the last ${found.windows.length} windows`;
  const others = found.others > 0 ? `; so are ${found.others} more features` : '';
  const verb = found.state === 'firing' ? `is ${side} its limit in ${count}` : `is back: ${side} its limit in ${count}`;
  return `${what} ${verb}${found.state === 'firing' ? others : ''}: ${shown.join(', ')}`;
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16);
}

function numberText(value: number | null): string {
  return value === null ? 'undefined' : String(Number(value.toPrecision(4)));
}
