import { requireThat } from '../checks.ts';

export interface ForecastOptions {
  /** Values of one season, such as 288 for a day in steps of five minutes. */
  readonly period: number;
  /** How much a new value moves the level, the trend and its place in the season: over 0, at most 1. */
  readonly level?: number;
  readonly trend?: number;
  readonly season?: number;
  /** What is left of the trend with each step ahead: over 0, at most 1. */
  readonly damping?: number;
}

/** Plain data: survives JSON. */
export interface Forecaster {
  readonly options: Required<ForecastOptions>;
  readonly count: number;
  readonly level: number;
  readonly trend: number;
  /** By the place in the season: the values themselves until one season is whole, then what each adds to the level. */
  readonly season: readonly number[];
}

const PERIOD_MAX = 10_000;

export function startForecast(options: ForecastOptions): Forecaster {
  const all = { level: 0.3, trend: 0.05, season: 0.3, damping: 0.9, ...options };
  const valid = Number.isInteger(all.period) && all.period >= 2 && all.period <= PERIOD_MAX;
  requireThat(valid, 'period', `must be a whole number from 2 to ${PERIOD_MAX}, not ${all.period}`);
  for (const name of ['level', 'trend', 'season', 'damping'] as const) {
    requireThat(all[name] > 0 && all[name] <= 1, name, `must be over 0 and at most 1, not ${all[name]}`);
  }
  return { options: all, count: 0, level: 0, trend: 0, season: [] };
}

/**
 * One more value, in equal steps of time. Additive exponential smoothing of level, trend and season (Holt 1957; Winters
 * 1960) with a damped trend (Gardner and McKenzie 1985). Until a whole season was seen there is no season to speak of:
 * level and trend alone forecast (Holt's method), and the first season starts as its distances from its own mean.
 * O(period) for the copy.
 */
export function addValue(state: Forecaster, value: number): Forecaster {
  requireThat(Number.isFinite(value), 'value', `must be a finite number, not ${value}`);
  const { options, count, level, trend } = state;
  const { period, damping } = options;
  const place = count % period;
  if (count === 0) return { ...state, count: 1, level: value, season: [value] };
  const known = count >= period;
  const seasonal = known ? (state.season[place] as number) : 0;
  const expected = level + damping * trend;
  const moved = options.level * (value - seasonal) + (1 - options.level) * expected;
  const season = [...state.season];
  season[place] = known ? options.season * (value - moved) + (1 - options.season) * seasonal : value;
  const next = {
    ...{ options, count: count + 1, level: moved, season },
    trend: options.trend * (moved - level) + (1 - options.trend) * damping * trend,
  };
  return next.count === period ? firstSeason(next) : next;
}

function firstSeason(state: Forecaster): Forecaster {
  const mean = state.season.reduce((sum, value) => sum + value, 0) / state.season.length;
  return { ...state, level: mean, trend: 0, season: state.season.map((value) => value - mean) };
}

/** The value so many steps ahead, 1 for the next. 0 while nothing was seen. O(1). */
export function forecast({ options, count, level, trend, season }: Forecaster, steps: number): number {
  requireThat(Number.isInteger(steps) && steps >= 1, 'steps', `must be a whole number from 1 on, not ${steps}`);
  if (count === 0) return 0;
  const { period, damping } = options;
  const damped = damping === 1 ? steps : (damping * (1 - damping ** steps)) / (1 - damping);
  const seasonal = count >= period ? (season[(count + steps - 1) % period] as number) : 0;
  return level + damped * trend + seasonal;
}
