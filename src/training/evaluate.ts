import { brier, expectedCalibrationError, logLoss, rocAuc } from '#math/metric/binary';

/** Quality of probabilities against labels 0 and 1. A figure that the labels leave undefined is null. */
export interface Evaluation {
  readonly rows: number;
  readonly baseRate: number;
  readonly auc: number | null;
  readonly logLoss: number | null;
  readonly brier: number | null;
  readonly ece: number | null;
}

export function evaluate(scores: Float64Array, labels: Float32Array): Evaluation {
  let positive = 0;
  for (const label of labels) positive += label;
  return {
    rows: labels.length,
    baseRate: positive / Math.max(1, labels.length),
    auc: rocAuc(scores, labels),
    logLoss: logLoss(scores, labels),
    brier: brier(scores, labels),
    ece: expectedCalibrationError(scores, labels),
  };
}
