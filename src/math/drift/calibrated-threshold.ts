import { requireShare, requireThat } from '../checks.ts';
import { errors } from '../errors.ts';
import { quantileOfSorted } from '../summary/quantile.ts';

export interface CalibratedThreshold {
  /** Alarm when the statistic of a live window is larger. */
  readonly threshold: number;
  /** How many held-out windows it rests on. */
  readonly windows: number;
  /**
   * Most that the share of false alarms can be, if live windows are exchangeable with the held-out ones: few windows
   * cannot promise a small rate, whatever quantile was asked for (30 windows: at best 1 in 31).
   */
  readonly falseAlarmRateMax: number;
}

/**
 * Threshold of a drift statistic such as PSI from the statistic of held-out windows of the reference itself, as long as
 * the live windows: their `quantile` (default .99, linear interpolation), but never under `floor` (default .05), below
 * which a shift is too small to act on however unusual it is.
 *
 * The customary PSI limits .1 and .2 come from independent samples. Windows of real traffic are autocorrelated, so
 * quiet periods already differ from each other: a 24-hour rolling feature of the flights data exceeds .2 on 22 of its
 * own 30 training days, while others never pass .08. Hence a threshold for each feature and window length.
 *
 * `falseAlarmRateMax` is the conformal bound (n − k + 1)/(n + 1) for a threshold at or above the k-th smallest of n
 * (Vovk et al. 2005). Throws `math/too-few-windows` under `windowsMin` (default 20). O(n log n).
 */
export function calibratedThreshold(
  statistics: ArrayLike<number>,
  options: { readonly quantile?: number; readonly floor?: number; readonly windowsMin?: number } = {},
): CalibratedThreshold {
  const { quantile = 0.99, floor = 0.05, windowsMin = 20 } = options;
  requireShare(quantile, 'quantile');
  requireThat(floor >= 0 && floor < Infinity, 'floor', `must be a number from 0 on, not ${floor}`);
  requireThat(Number.isInteger(windowsMin) && windowsMin >= 2, 'windowsMin', `must be 2 or more, not ${windowsMin}`);
  const windows = statistics.length;
  if (windows < windowsMin) {
    const detail = `the reference has ${windows} held-out windows, a threshold needs at least ${windowsMin}`;
    throw errors['too-few-windows'](detail, [{ path: 'statistics', message: `at least ${windowsMin} windows` }]);
  }
  const sorted = Float64Array.from(statistics).sort();
  requireThat(sorted.every(Number.isFinite), 'statistics', 'must be finite numbers');
  const threshold = Math.max(floor, quantileOfSorted(sorted, quantile));
  const reached = sorted.filter((value) => value <= threshold).length;
  return { threshold, windows, falseAlarmRateMax: (windows - reached + 1) / (windows + 1) };
}
