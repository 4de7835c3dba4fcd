import type { BreakerSpec } from '../../../protection-spec.ts';

const SLICES = 10;

interface Slice {
  number: number;
  answered: number;
  failed: number;
}

/**
 * Stops asking a back end that fails (Nygard, "Release It!", 2007). Closed: everything is let through, and counted over
 * a sliding window. Open: nothing is, for a while. Half open: a few requests try; one that fails opens it again, and
 * when all of them succeed it closes and forgets.
 */
export class CircuitBreaker {
  readonly #spec: BreakerSpec;
  #slices: Slice[] = [];
  #state: 'closed' | 'open' | 'half-open' = 'closed';
  #openedMs = 0;
  #probes = { let: 0, succeeded: 0 };

  constructor(spec: BreakerSpec) {
    this.#spec = spec;
  }

  get state(): 'closed' | 'open' | 'half-open' {
    return this.#state;
  }

  /** Whether the back end may be asked at monotonic `nowMs`. Each yes is followed by one call of {@link observe}. */
  allows(nowMs: number): boolean {
    if (this.#state === 'closed') return true;
    if (nowMs - this.#openedMs >= this.#spec.openMs) {
      // Also when probes never came back: another pause, and others may try.
      this.#state = 'half-open';
      this.#openedMs = nowMs;
      this.#probes = { let: 0, succeeded: 0 };
    }
    if (this.#state === 'open' || this.#probes.let >= this.#spec.probes) return false;
    this.#probes.let += 1;
    return true;
  }

  /** In how many milliseconds it may be asked again. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#openedMs + this.#spec.openMs - nowMs);
  }

  observe(succeeded: boolean, nowMs: number): void {
    if (this.#state === 'half-open') {
      if (!succeeded) this.#open(nowMs);
      else if (++this.#probes.succeeded >= this.#spec.probes) {
        this.#state = 'closed';
        this.#slices = [];
      }
    } else if (this.#state === 'closed') {
      const { answered, failed } = this.#count(succeeded, nowMs);
      if (answered >= this.#spec.requestsMin && failed / answered >= this.#spec.failureRate) this.#open(nowMs);
    }
  }

  #open(nowMs: number): void {
    this.#state = 'open';
    this.#openedMs = nowMs;
  }

  #count(succeeded: boolean, nowMs: number): { readonly answered: number; readonly failed: number } {
    const number = Math.floor(nowMs / (this.#spec.windowMs / SLICES));
    let last = this.#slices.at(-1);
    if (last?.number !== number) {
      last = { number, answered: 0, failed: 0 };
      this.#slices = [...this.#slices.filter((slice) => slice.number > number - SLICES), last];
    }
    last.answered += 1;
    if (!succeeded) last.failed += 1;
    let [answered, failed] = [0, 0];
    for (const slice of this.#slices) {
      answered += slice.answered;
      failed += slice.failed;
    }
    return { answered, failed };
  }
}
