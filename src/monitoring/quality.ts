import { unreachable } from '#core/assert';
import { brier, expectedCalibrationError, logLoss, rocAuc } from '#math/metric/binary';
import type { MetricName } from './contract.ts';
import type { ScoredRow } from './model.ts';

/** All revisions of an endpoint together: what its callers got. */
export const ALL_REVISIONS = '*';

/** A number about one window. `value` is null where the metric is undefined, such as AUC without both classes. */
export interface Figure {
  readonly revision: string;
  readonly metric: MetricName;
  readonly value: number | null;
  readonly requests: number;
  readonly labelled: number;
}

/**
 * Figures of a window: over all answers as revision `*`, and for each revision over every score it gave, whether it
 * answered or was scored beside the answer, so that revisions of one rollout are measured on the same requests.
 */
export function figuresOf(rows: readonly ScoredRow[], metrics: readonly MetricName[]): Figure[] {
  return [...scoresByRevision(rows)].flatMap(([revision, scores]) => {
    const labelled = scores.filter((score) => score.label !== null);
    return metrics.map((metric) => ({
      revision,
      metric,
      value: metric === 'mean-prediction' ? meanOf(scores.map((s) => s.score)) : qualityOf(metric, labelled),
      requests: scores.length,
      labelled: labelled.length,
    }));
  });
}

interface Scored {
  readonly score: number;
  readonly label: number | null;
}

function scoresByRevision(rows: readonly ScoredRow[]): Map<string, Scored[]> {
  const byRevision = new Map<string, Scored[]>();
  const add = (revision: string, score: number, label: number | null): void => {
    const scores = byRevision.get(revision);
    if (scores) scores.push({ score, label });
    else byRevision.set(revision, [{ score, label }]);
  };
  for (const row of rows) {
    add(ALL_REVISIONS, row.score, row.label);
    add(row.revision, row.score, row.label);
    if (row.shadowRevision !== null && row.shadowScore !== null) add(row.shadowRevision, row.shadowScore, row.label);
  }
  return byRevision;
}

function qualityOf(metric: Exclude<MetricName, 'mean-prediction'>, rows: readonly Scored[]): number | null {
  const scores = Float64Array.from(rows, (row) => row.score);
  const labels = Float64Array.from(rows, (row) => row.label ?? 0);
  if (metric === 'auc') return rocAuc(scores, labels);
  if (metric === 'base-rate') return meanOf(labels);
  // A model that answers a value and no probability has no loss of this kind.
  if (!scores.every(isProbability)) return null;
  switch (metric) {
    case 'log-loss':
      return logLoss(scores, labels);
    case 'brier':
      return brier(scores, labels);
    case 'ece':
      return expectedCalibrationError(scores, labels);
    default:
      return unreachable(metric);
  }
}

export function isProbability(score: number): boolean {
  return score >= 0 && score <= 1;
}

function meanOf(values: ArrayLike<number>): number | null {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return values.length === 0 ? null : sum / values.length;
}
