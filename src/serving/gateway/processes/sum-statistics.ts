import type { Duration, StatisticsData } from '../statistics.ts';
import { ModelStatistics } from '../statistics.ts';

const DURATIONS = [
  'success',
  'fail',
  'rejected',
  'cancelled',
  'queue',
  'computeInput',
  'computeInfer',
  'computeOutput',
] as const;

/** The statistics of several processes as if one had counted all, by model and version. */
export function sumStatistics(parts: Iterable<Iterable<StatisticsData>>): readonly ModelStatistics[] {
  const sums = new Map<string, ModelStatistics>();
  for (const part of parts) {
    for (const one of part) {
      const key = `${one.name}\n${one.version}`;
      const sum = sums.get(key) ?? new ModelStatistics(one.name, one.version);
      sums.set(key, sum);
      sum.inferenceCount += one.inferenceCount;
      sum.executionCount += one.executionCount;
      sum.pending += one.pending;
      sum.lastInference = Math.max(sum.lastInference, one.lastInference);
      for (const name of DURATIONS) addTo(sum[name], one[name]);
      for (const [rows, duration] of one.batches) {
        const batch = sum.batches.get(rows) ?? { count: 0, ms: 0 };
        sum.batches.set(rows, batch);
        addTo(batch, duration);
      }
    }
  }
  return [...sums.values()];
}

function addTo(sum: Duration, { count, ms }: Readonly<Duration>): void {
  sum.count += count;
  sum.ms += ms;
}
