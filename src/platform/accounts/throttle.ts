import { BoundedCache } from '#core/bounded-cache';
import type { Clock } from '#core/clock';
import { accessErrors } from '#platform/access';

interface Failures {
  readonly count: number;
  readonly until: number;
}

const ENTRIES_MAX = 20_000;
const DELAY_MS_MAX = 300_000;
const FORGET_MS = 3_600_000;

/**
 * Makes guessing passwords slow. Failures are counted per address, per user from one address and, far more generously,
 * per user from anywhere, so that nobody locks a user out from elsewhere with a handful of attempts. Past its free
 * failures each further one doubles the pause, up to five minutes. Memory is bounded: what was used longest ago goes.
 */
export class Throttle {
  readonly #failures = new BoundedCache<Failures>(ENTRIES_MAX);
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Throws `access/too-many-attempts` while it is too early for another attempt. */
  check(user: string, address: string): void {
    const now = this.#clock.monotonic();
    const waitMs = Math.max(...scopes(user, address).map(({ key }) => (this.#failures.get(key)?.until ?? 0) - now));
    if (waitMs <= 0) return;
    throw accessErrors['too-many-attempts'](
      `too many failed attempts: wait ${Math.ceil(waitMs / 1_000)} s before the next one`,
    );
  }

  failed(user: string, address: string): void {
    const now = this.#clock.monotonic();
    for (const { key, free } of scopes(user, address)) {
      const before = this.#failures.get(key);
      const count = before && before.until + FORGET_MS > now ? before.count + 1 : 1;
      const delayMs = count < free ? 0 : Math.min(DELAY_MS_MAX, 1_000 * 2 ** Math.min(20, count - free));
      this.#failures.set(key, { count, until: now + delayMs });
    }
  }

  succeeded(user: string, address: string): void {
    const [own] = scopes(user, address);
    if (own) this.#failures.delete(own.key);
  }
}

function scopes(user: string, address: string): readonly { readonly key: string; readonly free: number }[] {
  return [
    { key: `both ${address} ${user}`, free: 5 },
    { key: `from ${address}`, free: 50 },
    { key: `user ${user}`, free: 200 },
  ];
}
