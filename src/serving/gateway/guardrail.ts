import type { RoutedEndpoint } from '../routing.ts';

/** Why a candidate was taken out of traffic. For `latency` the figures are shares of requests over the limit. */
export interface Trip {
  /** Of several candidates, which. */
  readonly arm?: string;
  readonly reason: 'error-rate' | 'latency';
  readonly observed: number;
  readonly limit: number;
  readonly requests: number;
  /** Of the last request that failed, for people; only of an `error-rate`. */
  readonly error?: string | undefined;
}

interface Slice {
  startMs: number;
  requests: number;
  errors: number;
  slow: number;
}

const SLICES = 6;
/** The 95th percentile is over a limit exactly when more than this share of the requests is. */
const SLOW_SHARE_MAX = 0.05;

/**
 * Watches one candidate over a sliding window: too many errors, or a 95th percentile of its time over the limit. Both
 * are counted exactly, so nothing is estimated; the window slides in sixths of its length.
 */
export class Guardrail {
  readonly #limits: RoutedEndpoint['guardrail'];
  readonly #slices: Slice[] = [];
  #lastError: string | undefined;

  constructor(limits: RoutedEndpoint['guardrail']) {
    this.#limits = limits;
  }

  /** Counts a request at `nowMs` (monotonic), with its `error` if it failed. Tells whether it trips the guardrail. */
  observe(error: string | undefined, latencyMs: number, nowMs: number): Trip | undefined {
    const slice = this.#sliceAt(nowMs);
    slice.requests += 1;
    if (error !== undefined) {
      slice.errors += 1;
      this.#lastError = error;
    } else if (latencyMs > this.#limits.latencyP95MsMax) slice.slow += 1;
    return this.#judge();
  }

  #judge(): Trip | undefined {
    let requests = 0;
    let errors = 0;
    let slow = 0;
    for (const slice of this.#slices) {
      requests += slice.requests;
      errors += slice.errors;
      slow += slice.slow;
    }
    const { requestsMin, errorRateMax } = this.#limits;
    if (requests < requestsMin) return undefined;
    if (errors / requests > errorRateMax) {
      return {
        reason: 'error-rate',
        observed: errors / requests,
        limit: errorRateMax,
        requests,
        error: this.#lastError,
      };
    }
    const answered = requests - errors;
    if (answered === 0 || slow / answered <= SLOW_SHARE_MAX) return undefined;
    return { reason: 'latency', observed: slow / answered, limit: SLOW_SHARE_MAX, requests };
  }

  #sliceAt(nowMs: number): Slice {
    const sliceMs = this.#limits.windowMs / SLICES;
    const last = this.#slices.at(-1);
    if (last && nowMs - last.startMs < sliceMs) return last;
    const slice = { startMs: nowMs, requests: 0, errors: 0, slow: 0 };
    this.#slices.push(slice);
    while (this.#slices[0] && nowMs - this.#slices[0].startMs >= this.#limits.windowMs) this.#slices.shift();
    return slice;
  }
}
