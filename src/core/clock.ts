/**
 * Time is injected: nothing outside `core/` and `adapters/` reads the wall clock or sets a timer by itself, so every
 * loop, lease and decision can run on a {@link ManualClock} in a test or a simulation without sleeping.
 */
export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch. May jump. */
  now(): number;
  /** Milliseconds from an arbitrary origin that never go backwards. Use it for durations and time-outs. */
  monotonic(): number;
  /** Calls `callback` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs` on `clock`, or at once when `signal` is aborted. It never rejects. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = (): void => {
      cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const cancel = clock.after(delayMs, finish);
    signal?.addEventListener('abort', finish, { once: true });
  });
}

/** Of what is left until the next beat, this part of the whole is too little to wait for it alone. */
const TOO_SOON = 0.1;

/**
 * Like {@link sleep}, until the clock is at a multiple of `everyMs`. Loops that repeat so wake an idle process
 * together, which costs it little more than one of them does.
 */
export function sleepToBeat(clock: Clock, everyMs: number, signal?: AbortSignal): Promise<void> {
  const leftMs = everyMs - (clock.monotonic() % everyMs);
  return sleep(clock, Math.ceil(leftMs < everyMs * TOO_SOON ? leftMs + everyMs : leftMs), signal);
}

/** A clock that moves only when told to. Timers fire in order of their due time, in the middle of {@link advance}. */
export class ManualClock implements Clock {
  #now: number;
  #setByMs = 0;
  readonly #timers = new Set<{ readonly dueAt: number; readonly callback: () => void }>();

  constructor(startMs = Date.UTC(2001, 0, 1)) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now + this.#setByMs;
  }

  monotonic(): number {
    return this.#now;
  }

  /** Sets the wall clock forward or back, as a time server or an operator does. Timers do not notice. */
  set(byMs: number): void {
    this.#setByMs += byMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { dueAt: this.#now + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Moves time forward by `durationMs`, firing the timers that fall due, and lets promise reactions run in between. */
  async advance(durationMs: number): Promise<void> {
    const target = this.#now + durationMs;
    for (;;) {
      const next = [...this.#timers].filter((t) => t.dueAt <= target).sort((a, b) => a.dueAt - b.dueAt)[0];
      if (!next) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.dueAt);
      next.callback();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#now = target;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
