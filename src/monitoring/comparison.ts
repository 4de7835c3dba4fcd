import { seededRandom } from '#core/random';
import { logLoss, rocAuc } from '#math/metric/binary';
import { bootstrapDifference } from '#math/test/bootstrap';
import type { BlockView } from './contract.ts';
import type { ScoredRow } from './model.ts';
import { isProbability } from './quality.ts';

export const BLOCK_MS = 3_600_000;

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** 1970-01-05 was a Monday. */
const MONDAY_MS = 4 * DAY_MS;
const RESAMPLES = 200;
/** More pairs than this are thinned evenly over time for the interval, which would otherwise take seconds. */
const RESAMPLED_MAX = 10_000;
const DAYS_MIN = 5;

export interface ComparisonBlock {
  readonly current: string;
  readonly candidate: string;
  readonly block: BlockView;
}

/**
 * The paired losses of one block of a rollout. A request counts when it is labelled and both revisions gave it a
 * probability. A request to which the candidate gave none, whether it should have answered or not, is a failure of the
 * candidate and no pair. `null` when the block has neither.
 */
export function blockOf(start: number, rows: readonly ScoredRow[]): ComparisonBlock | null {
  const pairs = rows.flatMap((row) => pairOf(row) ?? []);
  const failures = rows.filter(candidateFailed);
  const named = pairs[0] ?? failures.map(revisionsOf)[0];
  if (!named?.current || !named.candidate) return null;
  const labels = Float64Array.from(pairs, (pair) => pair.label);
  const lossSum = (scores: Float64Array): number => (logLoss(scores, labels) ?? 0) * scores.length;
  const currentLossSum = lossSum(Float64Array.from(pairs, (pair) => pair.currentScore));
  const candidateLossSum = lossSum(Float64Array.from(pairs, (pair) => pair.candidateScore));
  return {
    current: named.current,
    candidate: named.candidate,
    block: {
      start,
      requests: pairs.length,
      lossDifferenceSum: currentLossSum - candidateLossSum,
      currentLossSum,
      candidateLossSum,
      candidateFailures: failures.length,
    },
  };
}

function revisionsOf(row: ScoredRow): { readonly current: string | null; readonly candidate: string | null } {
  return row.arm === 'candidate'
    ? { current: row.shadowRevision, candidate: row.revision }
    : { current: row.revision, candidate: row.failedRevision ?? row.shadowRevision };
}

function candidateFailed(row: ScoredRow): boolean {
  if (row.arm === 'candidate') return false;
  return row.failedRevision !== null || (row.shadowRevision !== null && row.shadowScore === null);
}

function pairOf(row: ScoredRow) {
  const { score, shadowScore, label } = row;
  if (label === null || shadowScore === null || candidateFailed(row)) return undefined;
  if (!isProbability(score) || !isProbability(shadowScore)) return undefined;
  const [currentScore, candidateScore] = row.arm === 'candidate' ? [shadowScore, score] : [score, shadowScore];
  return { ...revisionsOf(row), currentScore, candidateScore, label };
}

interface ScorePair {
  readonly at: number;
  readonly a: number;
  readonly b: number;
  readonly label: number;
}

/** Labelled requests that both revisions gave a probability, whoever of them answered. */
export function scorePairs(rows: readonly ScoredRow[], a: string, b: string): ScorePair[] {
  return rows.flatMap((row) => {
    const scoreOf = (revision: string): number | null =>
      row.revision === revision ? row.score : row.shadowRevision === revision ? row.shadowScore : null;
    const [scoreA, scoreB] = [scoreOf(a), scoreOf(b)];
    if (row.label === null || scoreA === null || scoreB === null) return [];
    if (!isProbability(scoreA) || !isProbability(scoreB)) return [];
    return [{ at: row.at, a: scoreA, b: scoreB, label: row.label }];
  });
}

/** AUC and log-loss of both, week by week from Monday 00:00 UTC. */
export function byWeek(pairs: readonly ScorePair[]) {
  const weeks = Map.groupBy(pairs, (pair) => pair.at - ((pair.at - MONDAY_MS + WEEK_MS) % WEEK_MS));
  return [...weeks]
    .sort(([a], [b]) => a - b)
    .map(([start, items]) => {
      const { a, b, labels } = columnsOf(items);
      return {
        start,
        requests: items.length,
        a: { auc: rocAuc(a, labels), logLoss: logLoss(a, labels) },
        b: { auc: rocAuc(b, labels), logLoss: logLoss(b, labels) },
      };
    });
}

/**
 * Log-loss of b minus log-loss of a with a 95 % interval from resampled days: requests of one day share its weather,
 * so days and not requests are what is independent. `null` with fewer than five days.
 */
export function lossDifference(all: readonly ScorePair[]) {
  const step = Math.ceil(all.length / RESAMPLED_MAX);
  const pairs = step > 1 ? all.filter((_, i) => i % step === 0) : all;
  const blocks = pairs.map((pair) => Math.floor(pair.at / DAY_MS));
  const days = new Set(blocks).size;
  if (days < DAYS_MIN) return null;
  const paired = { ...columnsOf(pairs), blocks };
  const found = bootstrapDifference(paired, logLoss, { random: seededRandom(1), resamples: RESAMPLES });
  return found && { estimate: found.estimate, low: found.low, high: found.high, days };
}

function columnsOf(pairs: readonly ScorePair[]) {
  return {
    a: Float64Array.from(pairs, (pair) => pair.a),
    b: Float64Array.from(pairs, (pair) => pair.b),
    labels: Float64Array.from(pairs, (pair) => pair.label),
  };
}
