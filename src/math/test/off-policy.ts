import { requireShare, requireThat } from '../checks.ts';
import { type ConfidenceInterval, confidenceSequence } from './confidence-sequence.ts';

/** One logged decision. Arms are counted from 0. */
export interface LoggedDecision {
  readonly arm: number;
  /** The probability with which the log's policy chose that arm for this request. */
  readonly propensity: number;
  readonly reward: number;
  /** The probability with which the policy in question would choose each arm for this request. */
  readonly target: readonly number[];
  /** A model's prediction of the reward of each arm, for the doubly robust estimate. */
  readonly predicted?: readonly number[] | undefined;
}

/** Sums over the log so far. Plain data: survives JSON. */
export interface PolicyValue {
  readonly count: number;
  readonly sum: number;
  readonly squares: number;
  /** Σ weight and Σ weight², for the effective sample. */
  readonly weights: number;
  readonly weightSquares: number;
  readonly weightMax: number;
}

export interface PolicyEstimate {
  readonly count: number;
  /** (Σw)²/Σw²: how many requests of the policy in question the log is worth. */
  readonly effective: number;
  readonly weightMax: number;
  readonly value: number | null;
  /** Confidence sequence; valid at every look, asymptotic. */
  readonly interval: ConfidenceInterval | null;
}

export const emptyPolicyValue: PolicyValue = {
  count: 0,
  sum: 0,
  squares: 0,
  weights: 0,
  weightSquares: 0,
  weightMax: 0,
};

/**
 * What one logged decision adds to the value of the policy in question, and its weight w = target(arm)/propensity:
 *
 * - `ips`: w·reward (Horvitz and Thompson 1952). Unbiased when the propensities are right and positive wherever the
 *   policy in question goes.
 * - `dr`: Σ_a target(a)·predicted(a) + w·(reward − predicted(arm)) (Dudík, Langford and Li 2011): unbiased when
 *   _either_ propensities or predictions are, and of less variance when the predictions are good.
 *
 * Predictions must not be fitted on the very request they are used on. O(arms).
 */
export function decisionValue(
  { arm, propensity, reward, target, predicted }: LoggedDecision,
  kind: 'ips' | 'dr',
): { readonly weight: number; readonly value: number } {
  requireThat(propensity > 0 && propensity <= 1, 'propensity', `must be over 0 and at most 1, not ${propensity}`);
  requireThat(Number.isFinite(reward), 'reward', `must be a finite number, not ${reward}`);
  const share = target[arm];
  requireThat(share !== undefined && share >= 0 && share <= 1, 'target', `must have a share of arm ${arm}`);
  const weight = share / propensity;
  if (kind === 'ips') return { weight, value: weight * reward };
  return { weight, value: doublyRobust({ weight, arm, reward, target, predicted }) };
}

/** One more logged decision. O(arms). */
export function addDecision(state: PolicyValue, decision: LoggedDecision, kind: 'ips' | 'dr'): PolicyValue {
  const { weight, value } = decisionValue(decision, kind);
  return {
    count: state.count + 1,
    sum: state.sum + value,
    squares: state.squares + value * value,
    weights: state.weights + weight,
    weightSquares: state.weightSquares + weight * weight,
    weightMax: Math.max(state.weightMax, weight),
  };
}

interface Robust extends Pick<LoggedDecision, 'arm' | 'reward' | 'target' | 'predicted'> {
  readonly weight: number;
}

function doublyRobust({ weight, arm, reward, target, predicted }: Robust): number {
  requireThat(predicted?.length === target.length, 'predicted', `must have ${target.length} values, one an arm`);
  const direct = target.reduce((sum, share, a) => sum + share * (predicted[a] as number), 0);
  return direct + weight * (reward - (predicted[arm] as number));
}

/** The value of the policy with its confidence sequence. O(1). */
export function estimatePolicy(
  state: PolicyValue,
  options: { readonly alpha?: number; readonly optimum?: number } = {},
): PolicyEstimate {
  const { count, sum, squares, weights, weightSquares, weightMax } = state;
  requireShare(options.alpha ?? 0.05, 'alpha');
  const effective = weightSquares === 0 ? 0 : (weights * weights) / weightSquares;
  if (count === 0) return { count, effective, weightMax, value: null, interval: null };
  const value = sum / count;
  if (count < 2) return { count, effective, weightMax, value, interval: null };
  const variance = Math.max(0, squares / count - value * value) / (count - 1);
  return { count, effective, weightMax, value, interval: confidenceSequence({ value, variance, count }, options) };
}
