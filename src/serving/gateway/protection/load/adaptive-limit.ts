export interface AdaptiveLimitOptions {
  readonly min: number;
  readonly max: number;
}

/** Latency may be this much above the long-term one before the limit shrinks. */
const TOLERANCE = 1.5;
/** Requests that may wait although nothing is short; what lets the limit grow. */
const QUEUE = 4;
const SMOOTHING = 0.2;
/** Samples over which the long-term latency is averaged. */
const LONG_SAMPLES = 600;
/** Samples are gathered for so long, and at least so many, before they count as one. */
const WINDOW_MS = 100;
const WINDOW_SAMPLES_MIN = 10;

/**
 * How many requests may be in work, found by the gradient between the latency of old and the latency of now: a queue
 * that builds up anywhere on the way makes latency grow, and the limit shrinks until it is gone. The algorithm is
 * Gradient2 of Netflix' concurrency-limits (https://github.com/Netflix/concurrency-limits).
 */
export class AdaptiveLimit {
  readonly #options: AdaptiveLimitOptions;
  #limit: number;
  #longMs = 0;
  #longCount = 0;
  #window = { sumMs: 0, count: 0, inWorkMax: 0, startedMs: Number.NaN };

  constructor(options: AdaptiveLimitOptions) {
    this.#options = options;
    this.#limit = Math.max(options.min, Math.min(options.max, 20));
  }

  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** A request was answered after `latencyMs`, with `inWork` in work when it came. */
  observe(latencyMs: number, inWork: number, nowMs: number): void {
    const window = this.#window;
    if (Number.isNaN(window.startedMs)) window.startedMs = nowMs;
    window.sumMs += latencyMs;
    window.count += 1;
    window.inWorkMax = Math.max(window.inWorkMax, inWork);
    if (window.count < WINDOW_SAMPLES_MIN || nowMs - window.startedMs < WINDOW_MS) return;
    this.#update(window.sumMs / window.count, window.inWorkMax);
    this.#window = { sumMs: 0, count: 0, inWorkMax: 0, startedMs: nowMs };
  }

  #update(shortMs: number, inWork: number): void {
    const { min, max } = this.#options;
    this.#longCount = Math.min(LONG_SAMPLES, this.#longCount + 1);
    this.#longMs += (shortMs - this.#longMs) / this.#longCount;
    // After a time of overload the average is too high for long: it comes down faster than it went up.
    if (this.#longMs > 2 * shortMs) this.#longMs *= 0.95;
    // A limit that nobody reaches teaches nothing.
    if (inWork < this.#limit / 2) return;
    const gradient = shortMs > 0 ? Math.max(0.5, Math.min(1, (TOLERANCE * this.#longMs) / shortMs)) : 1;
    const target = this.#limit * gradient + QUEUE;
    this.#limit = Math.max(min, Math.min(max, this.#limit * (1 - SMOOTHING) + target * SMOOTHING));
  }
}
