import type { FieldIssue } from '#core/errors';
import { windowErrors } from './errors.ts';

export type WindowAggregate = 'count' | 'sum' | 'mean';

export interface WindowFeature {
  /** Unique among all views that are computed together. */
  readonly name: string;
  readonly aggregate: WindowAggregate;
  /** Required by `sum` and `mean`. A `count` without column counts rows, with one its values that are not NaN. */
  readonly column?: string;
  readonly windowMs: number;
}

/**
 * The one definition of window features, for training sets, online state and the leak check.
 *
 * An event row has an event time (when it happened), a knowledge time (when its values became known), entity keys and
 * values. A feature at time `t` aggregates the rows of the same entity with
 * - `time: 'known'`: `t - windowMs <= known < t`,
 * - `time: 'event'`: `t - windowMs <= event < t`, and whatever can only be seen when known (online, or offline with
 *   `onlyKnown`) also `known < t`. Without that condition an 'event' window may leak the future.
 *
 * The upper bound is strict: rows of one instant do not see each other. NaN values are skipped by `sum` and `mean`;
 * without any value left both are NaN, and `count` is 0.
 */
export interface WindowView {
  /** Key columns that together form the entity. */
  readonly keys: readonly string[];
  readonly time: 'known' | 'event';
  readonly features: readonly WindowFeature[];
}

export const WINDOW_KEYS_MAX = 8;
export const WINDOW_FEATURES_MAX = 1_000;
export const WINDOW_NAME_LENGTH_MAX = 256;
/** Ten years of 366 days. */
export const WINDOW_MS_MAX = 10 * 366 * 86_400_000;

/** A view taken apart for the operators: what is shared between its features is computed once. */
export interface WindowPlan {
  /** The distinct window lengths, ascending. */
  readonly windowsMs: readonly number[];
  /** The distinct value columns, sorted by name. */
  readonly columns: readonly string[];
  /** As in the view; `window` and `column` are indices into the lists above, `column` is -1 for counts of rows. */
  readonly features: readonly PlannedFeature[];
}

interface PlannedFeature {
  readonly name: string;
  readonly aggregate: WindowAggregate;
  readonly window: number;
  readonly column: number;
}

const plans = new WeakMap<WindowView, WindowPlan>();

/** The plan of a valid view; it is kept for the life of the view, because an online read cannot afford to make it. */
export function planOf(view: WindowView): WindowPlan {
  const held = plans.get(view);
  if (held) return held;
  refuseIssues(viewIssues(view, 'view'));
  const windowsMs = [...new Set(view.features.map((feature) => feature.windowMs))].sort((a, b) => a - b);
  const named = view.features.flatMap((feature) => (feature.column === undefined ? [] : [feature.column]));
  const columns = [...new Set(named)].sort();
  const features = view.features.map(({ name, aggregate, column, windowMs }) => ({
    name,
    aggregate,
    window: windowsMs.indexOf(windowMs),
    column: column === undefined ? -1 : columns.indexOf(column),
  }));
  const plan = { windowsMs, columns, features };
  plans.set(view, plan);
  return plan;
}

/** The plans of views that are computed together. Throws `features/window-view-invalid` naming every bad field. */
export function planViews(views: readonly WindowView[]): WindowPlan[] {
  const issues = views.flatMap((view, v) => viewIssues(view, `views.${v}`));
  const total = views.reduce((sum, view) => sum + view.features.length, 0);
  if (total > WINDOW_FEATURES_MAX) {
    issues.push({ path: 'views', message: `at most ${WINDOW_FEATURES_MAX} features together, got ${total}` });
  }
  const names = new Set<string>();
  views.forEach((view, v) => {
    view.features.forEach(({ name }, f) => {
      if (names.has(name)) issues.push({ path: `views.${v}.features.${f}.name`, message: `'${name}' is used twice` });
      names.add(name);
    });
  });
  refuseIssues(issues);
  return views.map(planOf);
}

/** The longest window of the view, in milliseconds: with a lateness allowance added, the horizon of its state. */
export function longestWindowMs(view: WindowView): number {
  return planOf(view).windowsMs.at(-1) ?? 0;
}

function viewIssues(view: WindowView, path: string): FieldIssue[] {
  const issues: FieldIssue[] = [];
  const refuse = (field: string, message: string): void => void issues.push({ path: `${path}.${field}`, message });
  if (view.keys.length < 1 || view.keys.length > WINDOW_KEYS_MAX) {
    refuse('keys', `between 1 and ${WINDOW_KEYS_MAX} key columns, got ${view.keys.length}`);
  }
  if (new Set(view.keys).size !== view.keys.length) refuse('keys', 'each key column once');
  if (view.time !== 'known' && view.time !== 'event') refuse('time', `'known' or 'event', got '${view.time}'`);
  if (view.features.length < 1) refuse('features', 'at least one feature');
  const names = new Set<string>();
  view.features.forEach((feature, f) => {
    const { name, aggregate, column, windowMs } = feature;
    const at = `features.${f}`;
    if (name.length < 1 || name.length > WINDOW_NAME_LENGTH_MAX) {
      refuse(`${at}.name`, `between 1 and ${WINDOW_NAME_LENGTH_MAX} characters`);
    }
    if (names.has(name)) refuse(`${at}.name`, `'${name}' is used twice in the view`);
    names.add(name);
    if (aggregate !== 'count' && aggregate !== 'sum' && aggregate !== 'mean') {
      refuse(`${at}.aggregate`, `'count', 'sum' or 'mean', got '${aggregate}'`);
    } else if (column === undefined && aggregate !== 'count') {
      refuse(`${at}.column`, `required by '${aggregate}'`);
    }
    if (column !== undefined && (column.length < 1 || column.length > WINDOW_NAME_LENGTH_MAX)) {
      refuse(`${at}.column`, `between 1 and ${WINDOW_NAME_LENGTH_MAX} characters`);
    }
    if (!Number.isSafeInteger(windowMs) || windowMs < 1 || windowMs > WINDOW_MS_MAX) {
      refuse(`${at}.windowMs`, `a whole number of milliseconds from 1 to ${WINDOW_MS_MAX}, got ${windowMs}`);
    }
  });
  return issues;
}

function refuseIssues(issues: readonly FieldIssue[]): void {
  if (issues.length === 0) return;
  const detail = issues.map(({ path, message }) => `${path}: ${message}`).join('; ');
  throw windowErrors['window-view-invalid'](detail, issues);
}
