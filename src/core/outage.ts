import type { Clock } from './clock.ts';

/** A part of the platform takes seconds to start, and to start again: until then its absence is nothing to report. */
const QUIET_MS = 10_000;

/** A row of failures of something that should come back. Says when the row has become worth telling. */
export class Outage {
  readonly #clock: Clock;
  readonly #quietMs: number;
  #sinceMs: number | undefined;
  #told = false;

  constructor(clock: Clock, { quietMs = QUIET_MS } = {}) {
    this.#clock = clock;
    this.#quietMs = quietMs;
  }

  /** Another try has failed. True once in a row: when it has lasted longer than the quiet time. */
  failed(): boolean {
    const nowMs = this.#clock.monotonic();
    this.#sinceMs ??= nowMs;
    if (this.#told || nowMs - this.#sinceMs < this.#quietMs) return false;
    this.#told = true;
    return true;
  }

  /** A try has succeeded, which ends the row. True when the row had been told. */
  over(): boolean {
    const told = this.#told;
    this.#sinceMs = undefined;
    this.#told = false;
    return told;
  }
}
