import type { Cause } from '#core/cause';
import type { FinalStatus, RunStatus } from './contract.ts';

/** One value of a metric. `step` counts what the caller counts (epochs, trees); `timestamp` is epoch milliseconds. */
export interface MetricPoint {
  readonly value: number;
  readonly step: number;
  readonly timestamp: number;
}

export interface Metric extends MetricPoint {
  readonly key: string;
}

export interface Run {
  readonly id: string;
  readonly name: string;
  readonly experiment: { readonly id: string; readonly name: string };
  readonly status: RunStatus;
  readonly lifecycle: 'active' | 'deleted';
  readonly startedBy: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly source: { readonly run: string; readonly step: string } | null;
  readonly cause: Cause;
  /** Whom the run is of, as its client says. */
  readonly userId: string;
  readonly artifactUri: string;
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** Of each metric the latest value, as {@link isLater} has it. */
  readonly metrics: Readonly<Record<string, MetricPoint>>;
}

export const RUN_ARTIFACTS_MAX = 10_000;
export const RUN_KEYS_MAX = 5_000;
export const RUN_METRICS_MAX = 20_000;

/**
 * A metric value as two columns, because SQLite has no NaN and the dialects order NaN and the infinities differently.
 * NaN is kept as 0 and an infinity as the largest finite number of its sign, which is how MLflow orders them.
 */
export interface StoredValue {
  readonly value: number;
  readonly special: '' | 'NaN' | 'Infinity' | '-Infinity';
}

export function storedValue(value: number): StoredValue {
  if (Number.isNaN(value)) return { value: 0, special: 'NaN' };
  if (value === Number.POSITIVE_INFINITY) return { value: Number.MAX_VALUE, special: 'Infinity' };
  if (value === Number.NEGATIVE_INFINITY) return { value: -Number.MAX_VALUE, special: '-Infinity' };
  // The dialects disagree on whether -0 and 0 are one value of a key.
  return { value: value === 0 ? 0 : value, special: '' };
}

export function numberOf(stored: StoredValue): number {
  return stored.special === '' ? stored.value : Number(stored.special);
}

/** Whether `a` replaces `b` as the latest: a higher step, then a later time, then a larger value, as in MLflow. */
export function isLater(a: MetricPoint, b: MetricPoint): boolean {
  if (a.step !== b.step) return a.step > b.step;
  if (a.timestamp !== b.timestamp) return a.timestamp > b.timestamp;
  return storedValue(a.value).value > storedValue(b.value).value;
}

/** The latest point of each key. */
export function latestByKey(metrics: readonly Metric[]): Map<string, Metric> {
  const latest = new Map<string, Metric>();
  for (const metric of metrics) {
    const known = latest.get(metric.key);
    if (!known || isLater(metric, known)) latest.set(metric.key, metric);
  }
  return latest;
}

/** What ending a run as `wanted` does to one that has `status`. */
export function finishing(status: RunStatus, wanted: FinalStatus): 'finish' | 'nothing' | 'refuse' {
  if (status === 'running' || status === 'scheduled') return 'finish';
  return status === wanted ? 'nothing' : 'refuse';
}

/** The folders that a path lies in, outermost first: `a` and `a/b` for `a/b/c`. */
export function foldersOf(path: string): string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, i) => names.slice(0, i + 1).join('/'));
}
