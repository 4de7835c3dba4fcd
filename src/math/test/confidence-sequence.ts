import { requireCount, requireThat } from '../checks.ts';
import { mixtureVariance } from './mixture-tuning.ts';

/** An estimate with the variance of the estimate itself (a squared standard error) and the observations behind it. */
export interface Estimate {
  readonly value: number;
  readonly variance: number;
  readonly count: number;
}

/** One arm of an experiment: mean and variance of single observations. For a proportion p the variance is p(1 − p). */
export interface Arm {
  readonly mean: number;
  readonly variance: number;
  readonly count: number;
}

export interface ConfidenceInterval {
  readonly low: number;
  readonly high: number;
}

/**
 * Asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2023), two-sided:
 *
 *     value ± σ·√N·√[ 2(Nρ² + 1)/(N²ρ²) · ln(√(Nρ² + 1)/α) ],   ρ² = (−2 ln α + ln(−2 ln α + 1))/N*
 *
 * with σ² the variance of the estimate, N its observations and N* = `optimum` (default 5000). With probability at least
 * 1 − α it holds the truth at all N at once, so one may look after each observation and stop at any time.
 *
 * Assumes independent observations and is asymptotic: not for the first few hundred, and not for requests that share
 * an hour's weather, campaign or outage (use `test/block-sequence` there). O(1).
 */
export function confidenceSequence(
  estimate: Estimate,
  options: { readonly alpha?: number; readonly optimum?: number } = {},
): ConfidenceInterval {
  const { alpha = 0.05, optimum = 5000 } = options;
  const { value, variance, count } = estimate;
  requireThat(Number.isFinite(value), 'estimate.value', `must be a finite number, not ${value}`);
  requireThat(variance >= 0 && variance < Infinity, 'estimate.variance', `must be a number from 0 on, not ${variance}`);
  requireCount(count, 'estimate.count');
  requireThat(count > 0, 'estimate.count', 'must be at least 1');
  const scaled = count * mixtureVariance(alpha, optimum);
  const halfWidth = Math.sqrt(variance * 2 * (1 + 1 / scaled) * Math.log(Math.sqrt(scaled + 1) / alpha));
  return { low: value - halfWidth, high: value + halfWidth };
}

/**
 * Relative difference (treatment − control)/control of two independent arms, its variance by the delta method:
 * v_t/(n_t m_c²) + v_c m_t²/(n_c m_c⁴). The count is that of both arms. Needs a control mean other than 0. O(1).
 */
export function relativeDifference(control: Arm, treatment: Arm): Estimate {
  requireThat(control.mean !== 0, 'control.mean', 'must not be 0, a relative difference would be infinite');
  requireThat(control.count > 0 && treatment.count > 0, 'count', 'must be at least 1 in both arms');
  const ratio = treatment.mean / control.mean;
  const variance =
    (treatment.variance / treatment.count + (ratio * ratio * control.variance) / control.count) / control.mean ** 2;
  return { value: ratio - 1, variance, count: control.count + treatment.count };
}
