import { BoundedCache } from '#core/bounded-cache';

export interface BucketRule {
  /** How many tokens come in a millisecond. */
  readonly perMs: number;
  /** How many a full bucket holds, and so how many may be taken at once. */
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Whoever was seen longest ago makes room for another, and comes back to a full bucket. */
const BUCKETS_MAX = 100_000;
/** Sums of fractions miss whole numbers by less than this. */
const ROUNDING = 1e-9;

/**
 * Token buckets of one rule, one for each key (Turner, "New directions in communications", 1986; RFC 2697 as a meter).
 * In any span of `d` milliseconds at most `burst + d · perMs` tokens are taken of a key.
 */
export class TokenBuckets {
  readonly #rule: BucketRule;
  readonly #buckets = new BoundedCache<Bucket>(BUCKETS_MAX);

  constructor(rule: BucketRule) {
    this.#rule = rule;
  }

  /** Takes `tokens`, at most a burst, at monotonic `nowMs`: 0 when done, else in how many ms they would be there. */
  take(key: string, tokens: number, nowMs: number): number {
    const { perMs, burst } = this.#rule;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    const filled = Math.min(burst, bucket.tokens + Math.max(0, nowMs - bucket.atMs) * perMs);
    const left = filled - tokens;
    bucket.tokens = left < -ROUNDING ? filled : Math.max(0, left);
    bucket.atMs = Math.max(bucket.atMs, nowMs);
    this.#buckets.set(key, bucket);
    return left < -ROUNDING ? -left / perMs : 0;
  }

  /** In how many ms `tokens` will be there, without taking them; 0 when they are. */
  waitMs(key: string, tokens: number, nowMs: number): number {
    const { perMs, burst } = this.#rule;
    const bucket = this.#buckets.get(key);
    if (!bucket) return 0;
    const missing = tokens - Math.min(burst, bucket.tokens + Math.max(0, nowMs - bucket.atMs) * perMs);
    return missing > ROUNDING ? missing / perMs : 0;
  }

  /** Gives back what was taken for nothing. */
  giveBack(key: string, tokens: number): void {
    const bucket = this.#buckets.get(key);
    if (bucket) bucket.tokens = Math.min(this.#rule.burst, bucket.tokens + tokens);
  }
}
