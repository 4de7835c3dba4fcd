import type { GbdtParams } from './params.ts';

/** A twice differentiable loss of one row's label and raw score. */
export interface Loss {
  /** The constant raw score with the least weighted loss, before any tree. */
  baseScore(label: Float32Array, weight?: Float32Array): number;
  /** First and second derivative by the raw score, times the row's weight. The second is never negative. */
  derivatives(input: DerivativesInput): void;
  /** Mean loss over the rows. */
  mean(label: Float32Array, scores: Float64Array): number;
}

export interface DerivativesInput {
  readonly label: Float32Array;
  readonly weight: Float32Array | undefined;
  readonly scores: Float64Array;
  readonly gradients: Float64Array;
  readonly hessians: Float64Array;
}

export function lossOf(objective: GbdtParams['objective']): Loss {
  return objective === 'binary' ? logLoss : squaredError;
}

/** Least second derivative of a row: keeps leaves of rows that are already certain from dividing by zero. */
const HESSIAN_MIN = 1e-16;

/** -y ln p - (1 - y) ln(1 - p) with p = 1 / (1 + exp(-raw)). */
const logLoss: Loss = {
  baseScore(label, weight) {
    const mean = weightedMean(label, weight);
    return Math.log(mean / (1 - mean));
  },
  derivatives({ label, weight, scores, gradients, hessians }) {
    for (let row = 0; row < label.length; row++) {
      const p = 1 / (1 + Math.exp(-scores[row]!));
      const w = weight === undefined ? 1 : weight[row]!;
      gradients[row] = (p - label[row]!) * w;
      hessians[row] = Math.max(p * (1 - p), HESSIAN_MIN) * w;
    }
  },
  mean(label, scores) {
    let sum = 0;
    for (let row = 0; row < label.length; row++) {
      // ln(1 + exp(-s)) without overflow, where s is the score towards the true label.
      const s = label[row] === 1 ? scores[row]! : -scores[row]!;
      sum += Math.max(-s, 0) + Math.log1p(Math.exp(-Math.abs(s)));
    }
    return sum / label.length;
  },
};

/** (raw - y)² / 2 for training; the mean that is reported is the mean squared error. */
const squaredError: Loss = {
  baseScore: weightedMean,
  derivatives({ label, weight, scores, gradients, hessians }) {
    for (let row = 0; row < label.length; row++) {
      const w = weight === undefined ? 1 : weight[row]!;
      gradients[row] = (scores[row]! - label[row]!) * w;
      hessians[row] = w;
    }
  },
  mean(label, scores) {
    let sum = 0;
    for (let row = 0; row < label.length; row++) sum += (scores[row]! - label[row]!) ** 2;
    return sum / label.length;
  },
};

function weightedMean(label: Float32Array, weight?: Float32Array): number {
  let sum = 0;
  let total = 0;
  for (let row = 0; row < label.length; row++) {
    const w = weight === undefined ? 1 : weight[row]!;
    sum += w * label[row]!;
    total += w;
  }
  return sum / total;
}
