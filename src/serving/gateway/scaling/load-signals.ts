import { type Clock, sleep } from '#core/clock';
import { addValue, type Forecaster, forecast, startForecast } from '#math/forecast/holt-winters';
import { armsOf, fileOf, type LiveEndpoint } from '../live-endpoint.ts';
import type { Router } from '../router.ts';
import type { ModelCache } from '../runtime/model-cache.ts';
import type { StatisticsData } from '../statistics.ts';

/** What one endpoint, or model of the repository, asks of this gateway. Means are over the last minute. */
export interface Load {
  readonly name: string;
  /** Rows that wait for their model: Σ waiting time ÷ time (Little 1961). */
  readonly queue: number;
  /** Requests in work, waiting included, by the same law. */
  readonly concurrency: number;
  /** Share of the time of a process in which its models ran; over 1 when several did at once. */
  readonly utilization: number;
  readonly rowsPerSecond: number;
  /** Since a row was last answered, or since the gateway started. */
  readonly idleMs: number;
  /** How long its slowest model took to be loaded and warmed here; null while none was. */
  readonly coldStartMs: number | null;
}

interface Totals {
  rows: number;
  queueMs: number;
  requestMs: number;
  computeMs: number;
  lastInference: number;
}

interface Sample extends Readonly<Totals> {
  readonly atMs: number;
}

interface Followed {
  readonly samples: Sample[];
  /** Rows and time at the beginning of the open step of the forecast. */
  step: Sample;
  forecaster: Forecaster;
}

export interface LoadSignalsOptions {
  readonly router: Pick<Router, 'endpoints'>;
  /** What all processes of the gateway have done. */
  readonly statistics: () => Promise<Iterable<StatisticsData>>;
  readonly cache: Pick<ModelCache, 'loadMs'>;
  readonly clock: Clock;
  /** How many processes the load is of; 1 unless told. */
  readonly processes?: number | undefined;
}

const SAMPLE_MS = 5_000;
const WINDOW_MS = 60_000;
/** The forecast goes by steps of five minutes, and a season is a day. */
const STEP_MS = 300_000;
const SEASON_STEPS = 288;

/**
 * What autoscalers are told. All of it is read from the statistics that the gateway keeps anyway, every five seconds,
 * so requests pay nothing for it.
 */
export class LoadSignals {
  readonly #options: LoadSignalsOptions;
  readonly #startedAt: number;
  #followed = new Map<string, Followed>();
  #endpoints: ReadonlyMap<string, LiveEndpoint> = new Map();

  constructor(options: LoadSignalsOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
  }

  /** Samples until the gateway closes. */
  async follow(signal: AbortSignal, everyMs: number = SAMPLE_MS): Promise<void> {
    while (!signal.aborted) {
      // Processes that cannot be asked end in a moment, and this one with them.
      const all = await this.#options.statistics().catch(() => undefined);
      if (all) this.sample(all);
      await sleep(this.#options.clock, everyMs, signal);
    }
  }

  /** Samples what all processes have done by now. */
  sample(all: Iterable<StatisticsData>): void {
    const atMs = this.#options.clock.monotonic();
    const followed = new Map<string, Followed>();
    this.#endpoints = new Map([...this.#options.router.endpoints].map((one) => [one.routed.name, one]));
    for (const [name, totals] of this.#totals(all)) {
      const sample: Sample = { atMs, ...totals };
      const known = this.#followed.get(name) ?? {
        ...{ samples: [], step: sample },
        forecaster: startForecast({ period: SEASON_STEPS }),
      };
      known.samples.push(sample);
      while (known.samples.length > 2 && atMs - (known.samples[1] as Sample).atMs >= WINDOW_MS) known.samples.shift();
      const stepMs = atMs - known.step.atMs;
      if (stepMs >= STEP_MS) {
        known.forecaster = addValue(known.forecaster, (1_000 * (sample.rows - known.step.rows)) / stepMs);
        known.step = sample;
      }
      followed.set(name, known);
    }
    this.#followed = followed;
  }

  /** Undefined for what neither is an endpoint nor was ever asked. */
  of(name: string): Load | undefined {
    const { clock, cache } = this.#options;
    const samples = this.#followed.get(name)?.samples;
    const last = samples?.at(-1);
    if (!samples || !last) return undefined;
    const first = samples[0] as Sample;
    const ms = Math.max(1, last.atMs - first.atMs);
    const endpoint = this.#endpoints.get(name);
    const arms = endpoint ? armsOf(endpoint) : [];
    const loads = arms.flatMap((arm) => cache.loadMs(fileOf(arm)) ?? []);
    return {
      name,
      queue: (last.queueMs - first.queueMs) / ms,
      concurrency: (last.requestMs - first.requestMs) / ms,
      utilization: (last.computeMs - first.computeMs) / ms / (this.#options.processes ?? 1),
      rowsPerSecond: (1_000 * (last.rows - first.rows)) / ms,
      idleMs: Math.max(0, clock.now() - Math.max(last.lastInference, this.#startedAt)),
      coldStartMs: loads.length === 0 ? null : Math.max(...loads),
    };
  }

  /** The most rows a second within the horizon: the present rate until five minutes were seen. */
  forecastOf(name: string, horizonMs: number): number {
    const followed = this.#followed.get(name);
    if (!followed || followed.forecaster.count === 0) return this.of(name)?.rowsPerSecond ?? 0;
    const steps = Math.min(SEASON_STEPS, Math.max(1, Math.ceil(horizonMs / STEP_MS)));
    const ahead = Array.from({ length: steps }, (_, i) => forecast(followed.forecaster, i + 1));
    return Math.max(0, ...ahead);
  }

  get names(): Iterable<string> {
    return this.#followed.keys();
  }

  /** Sums over the versions of each name; an endpoint that was never asked has zeros. */
  #totals(all: Iterable<StatisticsData>): Map<string, Totals> {
    const totals = new Map<string, Totals>();
    const totalsOf = (name: string): Totals => {
      const known = totals.get(name) ?? { rows: 0, queueMs: 0, requestMs: 0, computeMs: 0, lastInference: 0 };
      totals.set(name, known);
      return known;
    };
    for (const name of this.#endpoints.keys()) totalsOf(name);
    for (const { name, inferenceCount, queue, success, fail, computeInfer, lastInference } of all) {
      const known = totalsOf(name);
      known.rows += inferenceCount;
      known.queueMs += queue.ms;
      known.requestMs += success.ms + fail.ms;
      known.computeMs += computeInfer.ms;
      known.lastInference = Math.max(known.lastInference, lastInference);
    }
    return totals;
  }
}
