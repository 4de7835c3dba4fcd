import { durationMs, formatDuration } from '#core/units';
import { gatewayErrors, invalidField } from '../errors.ts';
import type { Load, LoadSignals } from './load-signals.ts';

export const SIGNALS = ['concurrency', 'queue', 'utilization', 'rate', 'forecast'] as const;

/** What a trigger of an autoscaler asks for: the metadata of KEDA's trigger. */
export interface ScalingWish {
  readonly endpoint: string;
  readonly signal: (typeof SIGNALS)[number];
  /** The value for which one replica is right. */
  readonly target: number;
  /** Without requests for so long, it may be scaled to zero. */
  readonly idleAfterMs: number;
  /** How long the first request after that may wait for its model. */
  readonly coldStartMsMax: number;
  readonly horizonMs: number;
}

const TARGETS: Readonly<Record<ScalingWish['signal'], number>> = {
  ...{ concurrency: 10, queue: 5, utilization: 0.7 },
  ...{ rate: 500, forecast: 500 },
};

/** Throws `gateway/invalid-request` with the field of the metadata. */
export function wishOf(metadata: Readonly<Record<string, string>>): ScalingWish {
  const { endpoint = '', signal = 'concurrency', target, idleAfter, coldStartMax, horizon } = metadata;
  if (endpoint === '') throw invalidField('scalerMetadata.endpoint', 'is missing');
  const known = SIGNALS.find((one) => one === signal);
  if (!known) throw invalidField('scalerMetadata.signal', `expected one of ${SIGNALS.join(', ')}`);
  const wanted = target === undefined ? TARGETS[known] : Number(target);
  if (!(wanted > 0 && wanted < 1e9)) throw invalidField('scalerMetadata.target', 'expected a number over 0');
  return {
    ...{ endpoint, signal: known, target: wanted },
    idleAfterMs: duration('idleAfter', idleAfter ?? '10m'),
    coldStartMsMax: duration('coldStartMax', coldStartMax ?? '2s'),
    horizonMs: duration('horizon', horizon ?? '10m'),
  };
}

function duration(name: string, text: string): number {
  try {
    return durationMs(text);
  } catch {
    throw invalidField(`scalerMetadata.${name}`, 'expected a duration such as 30s or 10m');
  }
}

/** Throws `gateway/unknown-endpoint`. */
export function loadFor({ endpoint }: ScalingWish, signals: LoadSignals): Load {
  const load = signals.of(endpoint);
  if (load) return load;
  throw gatewayErrors['unknown-endpoint'](`there is no endpoint '${endpoint.slice(0, 100)}' with a load to tell`);
}

export function signalValue(wish: ScalingWish, load: Load, signals: LoadSignals): number {
  switch (wish.signal) {
    case 'concurrency':
      return load.concurrency;
    case 'queue':
      return load.queue;
    case 'utilization':
      return load.utilization;
    case 'rate':
      return load.rowsPerSecond;
    case 'forecast':
      return Math.max(load.rowsPerSecond, signals.forecastOf(load.name, wish.horizonMs));
  }
}

/**
 * Whether an endpoint needs a replica at all, and why. It may go without one only when nobody has asked it for a while,
 * less than one row is forecast within the horizon, and its model is known to be back within what a first request may
 * wait.
 */
export function judgeIdle(
  { idleAfterMs, coldStartMsMax, horizonMs }: Omit<ScalingWish, 'endpoint' | 'signal' | 'target'>,
  { idleMs, coldStartMs }: Pick<Load, 'idleMs' | 'coldStartMs'>,
  forecastPerSecond: number,
): { readonly active: boolean; readonly because: string } {
  if (idleMs < idleAfterMs) return { active: true, because: `it was asked ${formatDuration(Math.round(idleMs))} ago` };
  if (coldStartMs === null) return { active: true, because: 'how long its model takes to load is not known' };
  if (coldStartMs > coldStartMsMax) {
    const took = formatDuration(Math.round(coldStartMs));
    return { active: true, because: `its model took ${took} to load, over ${formatDuration(coldStartMsMax)}` };
  }
  const expected = (forecastPerSecond * horizonMs) / 1_000;
  if (expected >= 1) return { active: true, because: `${Math.round(expected)} rows are forecast` };
  return { active: false, because: `it was not asked for ${formatDuration(Math.round(idleMs))}` };
}
