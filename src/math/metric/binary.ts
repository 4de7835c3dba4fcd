import { refuse, requireThat } from '../checks.ts';

/** Scores or probabilities, one a row. */
export type Scores = Float32Array | Float64Array;
/** Truth, one a row: 0 or 1. */
export type Labels = Uint8Array | Float32Array | Float64Array;

/**
 * Area under the ROC curve: the probability that a positive row scores higher than a negative one, ties counting one
 * half (mid-ranks; Mann and Whitney 1947, Hanley and McNeil 1982). Invariant under every increasing transformation of
 * the scores. `null` when a class is absent. O(n log n) time, O(n) memory.
 */
export function rocAuc(scores: Scores, labels: Labels): number | null {
  const positiveCount = checkedPositives(scores, labels);
  const positives = new Float64Array(positiveCount);
  const negatives = new Float64Array(scores.length - positiveCount);
  if (positives.length === 0 || negatives.length === 0) return null;
  let p = 0;
  let n = 0;
  for (let i = 0; i < scores.length; i++) {
    if (Number.isNaN(scores[i])) refuse(`scores.${i}`, 'must be a number, not NaN');
    if (labels[i] === 1) positives[p++] = scores[i];
    else negatives[n++] = scores[i];
  }
  positives.sort();
  negatives.sort();
  let below = 0;
  let upTo = 0;
  let wins = 0;
  for (const score of positives) {
    while (below < negatives.length && negatives[below] < score) below++;
    while (upTo < negatives.length && negatives[upTo] <= score) upTo++;
    wins += (below + upTo) / 2;
  }
  return wins / (positives.length * negatives.length);
}

/**
 * Mean negative log-likelihood in nats. Probabilities are clipped to [2^−52, 1 − 2^−52] (scikit-learn's convention for
 * doubles, used here for 32-bit scores too), so a certain and wrong prediction costs 36.04 and not infinity. Defined
 * with one class; `null` without rows. O(n).
 */
export function logLoss(probabilities: Scores, labels: Labels): number | null {
  checkedPositives(probabilities, labels);
  return meanOf(probabilities, (p, i) => {
    const likelihood = labels[i] === 1 ? p : 1 - p;
    return -Math.log(Math.min(Math.max(likelihood, Number.EPSILON), 1 - Number.EPSILON));
  });
}

/** Mean squared difference of probability and truth (Brier 1950). Defined with one class; `null` without rows. O(n). */
export function brier(probabilities: Scores, labels: Labels): number | null {
  checkedPositives(probabilities, labels);
  return meanOf(probabilities, (p, i) => (p - labels[i]) ** 2);
}

/**
 * Expected calibration error (Naeini et al. 2015) over ten bins of equal width, [0, .1), …, [.9, 1]: the mean over rows
 * of |mean probability − share of positives| of the row's bin. Defined with one class; `null` without rows. O(n).
 */
export function expectedCalibrationError(probabilities: Scores, labels: Labels): number | null {
  checkedPositives(probabilities, labels);
  const gaps = new Float64Array(10);
  const rows = meanOf(probabilities, (p, i) => {
    gaps[Math.min(9, Math.floor(p * 10))] += p - labels[i];
    return 1;
  });
  return rows === null ? null : gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / probabilities.length;
}

/** Checks lengths and labels; returns how many labels are 1. */
function checkedPositives(scores: Scores, labels: Labels): number {
  const rows = scores.length;
  requireThat(labels.length === rows, 'labels', `must have ${rows} rows as the scores, not ${labels.length}`);
  let positives = 0;
  for (let i = 0; i < rows; i++) {
    if (labels[i] === 1) positives++;
    else if (labels[i] !== 0) refuse(`labels.${i}`, `must be 0 or 1, not ${labels[i]}`);
  }
  return positives;
}

function meanOf(probabilities: Scores, loss: (probability: number, row: number) => number): number | null {
  let sum = 0;
  for (let i = 0; i < probabilities.length; i++) {
    const p = probabilities[i];
    if (!(p >= 0 && p <= 1)) refuse(`probabilities.${i}`, `must be from 0 to 1, not ${p}`);
    sum += loss(p, i);
  }
  return probabilities.length === 0 ? null : sum / probabilities.length;
}
