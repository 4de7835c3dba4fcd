import type { LiveArm } from './live-endpoint.ts';
import type { Prediction } from './prediction.ts';
import { add, type ModelStatistics, type StatisticsBook } from './statistics.ts';

interface CountedRow {
  readonly arm: LiveArm;
  readonly prediction: Prediction;
  readonly purpose: 'answer' | 'shadow';
  readonly queuedMs: number;
}

/** Counts one run for every revision whose rows were in it. Scores beside answers are nobody's inference. */
export function countRun(
  statistics: StatisticsBook,
  rowsOfRun: readonly CountedRow[],
  { startedMs, inferMs, now }: { readonly startedMs: number; readonly inferMs: number; readonly now: number },
): void {
  let last: ModelStatistics | undefined;
  let rows = 0;
  for (const { arm, prediction, purpose, queuedMs } of rowsOfRun) {
    if (purpose !== 'answer') continue;
    const found = statistics.ofArm(arm, prediction.endpoint.routed.name);
    if (found !== last) {
      last?.executed(rows, inferMs, now);
      last = found;
      rows = 0;
    }
    rows += 1;
    add(found.queue, Math.max(0, startedMs - queuedMs));
    prediction.reply.watched?.ran({ queuedMs, startedMs, endedMs: startedMs + inferMs });
  }
  last?.executed(rows, inferMs, now);
}
