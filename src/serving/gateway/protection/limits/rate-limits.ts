import { BoundedCache } from '#core/bounded-cache';
import type { Clock } from '#core/clock';
import type { SharedState, TokenTake } from '#ports/shared-state';
import type { LimitSpec } from '../../../protection-spec.ts';
import { gatewayErrors, later } from '../../errors.ts';
import type { Caller } from '../access/caller.ts';
import { type BucketRule, TokenBuckets } from './token-buckets.ts';

export interface RateLimitsOptions {
  readonly endpoint: string;
  readonly limits: readonly LimitSpec[];
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Where gateways count together; absent counts in this process. */
  readonly shared: Pick<SharedState, 'takeTokens'> | undefined;
  readonly whenSharedDown: 'local' | 'refuse';
  readonly onSharedDown: () => void;
}

export interface Demand {
  readonly caller: Caller | undefined;
  readonly rows: number;
}

interface Rule extends BucketRule {
  readonly spec: LimitSpec;
  readonly buckets: TokenBuckets;
  /** Until when, in monotonic milliseconds, shared buckets have been told to be empty. */
  readonly emptyUntil: BoundedCache<number>;
}

/** Keys whose shared buckets are known to be empty. */
const EMPTY_MAX = 10_000;

/** The rate limits of one endpoint: a request passes all of them, or none of them counts it. */
export class RateLimits {
  readonly #options: RateLimitsOptions;
  readonly #rules: readonly Rule[];

  constructor(options: RateLimitsOptions) {
    this.#options = options;
    this.#rules = options.limits.map((spec) => {
      const rule = { perMs: spec.perSecond / 1_000, burst: spec.burst };
      return { ...rule, spec, buckets: new TokenBuckets(rule), emptyUntil: new BoundedCache(EMPTY_MAX) };
    });
  }

  /**
   * Counts a request, without a promise unless counts are shared.
   * Errors: `gateway/rate-limited`, `gateway/limits-unavailable`, `gateway/invalid-request` for more rows than a burst.
   */
  admit(demand: Demand): undefined | Promise<void> {
    for (const rule of this.#rules) this.#checkFits(rule, demand);
    if (this.#options.shared) return this.#admitShared(this.#options.shared, demand);
    this.#admitHere(demand);
    return undefined;
  }

  /**
   * Refuses a caller who has not one request or row left, without counting. Where they are shared, it goes by what was
   * last told of the bucket. Errors: `gateway/rate-limited`.
   */
  glance(caller: Caller | undefined): void {
    const { shared, clock } = this.#options;
    const now = clock.monotonic();
    for (const { spec, buckets, emptyUntil } of this.#rules) {
      const key = keyOf(spec, { caller, rows: 1 });
      const waitMs = shared ? (emptyUntil.get(key) ?? now) - now : buckets.waitMs(key, 1, now);
      if (waitMs > 0) throw this.#refusal(spec, waitMs);
    }
  }

  #checkFits({ spec, burst }: Rule, { rows }: Demand): void {
    if (spec.counts !== 'rows' || rows <= burst) return;
    throw gatewayErrors['invalid-request'](
      `the request has ${rows} rows; '${this.#options.endpoint}' takes at most ${burst} at once`,
    );
  }

  #admitHere(demand: Demand): void {
    const now = this.#options.clock.monotonic();
    for (const [i, rule] of this.#rules.entries()) {
      const waitMs = rule.buckets.take(keyOf(rule.spec, demand), tokensOf(rule.spec, demand), now);
      if (waitMs === 0) continue;
      for (const { buckets, spec } of this.#rules.slice(0, i)) {
        buckets.giveBack(keyOf(spec, demand), tokensOf(spec, demand));
      }
      throw this.#refusal(rule.spec, waitMs);
    }
  }

  async #admitShared(shared: Pick<SharedState, 'takeTokens'>, demand: Demand): Promise<void> {
    const { endpoint, whenSharedDown, onSharedDown } = this.#options;
    const takes = this.#rules.map(({ spec, perMs, burst }, i): TokenTake => {
      const key = `limit:${endpoint}:${i}:${spec.per}:${keyOf(spec, demand)}`;
      return { key, perMs, burst, tokens: tokensOf(spec, demand) };
    });
    const outcome = await shared.takeTokens(takes).catch(() => undefined);
    if (!outcome) {
      onSharedDown();
      if (whenSharedDown === 'local') return this.#admitHere(demand);
      throw later(gatewayErrors['limits-unavailable']('the limits cannot be looked up at this moment'), 1_000);
    }
    const rule = outcome.taken ? undefined : this.#rules[outcome.place];
    if (!rule || outcome.taken) return;
    // Of a refused batch of rows fewer may be left than it wanted, and more than none.
    if (tokensOf(rule.spec, demand) === 1) {
      rule.emptyUntil.set(keyOf(rule.spec, demand), this.#options.clock.monotonic() + outcome.waitMs);
    }
    throw this.#refusal(rule.spec, outcome.waitMs);
  }

  #refusal({ per, perSecond, burst, counts }: LimitSpec, waitMs: number): Error {
    const of = per === 'endpoint' ? '' : ` of one ${per}`;
    const { endpoint } = this.#options;
    const detail = `'${endpoint}' takes ${perSecond} ${counts}${of} a second, after a pause at most ${burst} at once`;
    return later(gatewayErrors['rate-limited'](detail), waitMs);
  }
}

/** Whoever has no name shares a bucket with all others who have none. */
function keyOf({ per }: LimitSpec, { caller }: Demand): string {
  if (per === 'caller') return caller?.id ?? '';
  return per === 'tenant' ? (caller?.tenant ?? '') : '';
}

function tokensOf({ counts }: LimitSpec, { rows }: Demand): number {
  return counts === 'rows' ? rows : 1;
}
