import { BoundedCache } from '#core/bounded-cache';
import type { Clock } from '#core/clock';
import type { SharedState, TokenOutcome, TokenTake } from '#ports/shared-state';

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Whoever was seen longest ago makes room for another, and comes back to a full bucket. */
const BUCKETS_MAX = 100_000;
/** Sums of fractions miss whole numbers by less than this. */
const ROUNDING = 1e-9;

/** Token buckets that the processes of one gateway share: the limits are of the gateway, not of a process. */
export class TokenTable implements Pick<SharedState, 'takeTokens'> {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #buckets = new BoundedCache<Bucket>(BUCKETS_MAX);

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  async takeTokens(takes: readonly TokenTake[]): Promise<TokenOutcome> {
    return this.take(takes);
  }

  /** {@link SharedState.takeTokens}, over when it returns. */
  take(takes: readonly TokenTake[]): TokenOutcome {
    const nowMs = this.#clock.monotonic();
    const filled = takes.map(({ key, burst, perMs }) => {
      const { tokens, atMs } = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
      return Math.min(burst, tokens + Math.max(0, nowMs - atMs) * perMs);
    });
    for (const [place, { tokens, perMs }] of takes.entries()) {
      const missing = tokens - (filled[place] as number);
      if (missing > ROUNDING) return { taken: false, place, waitMs: missing / perMs };
    }
    for (const [place, { key, tokens }] of takes.entries()) {
      this.#buckets.set(key, { tokens: Math.max(0, (filled[place] as number) - tokens), atMs: nowMs });
    }
    return { taken: true };
  }
}
