import type { Clock } from '#core/clock';

/** Lets lease requests sleep until there may be work for them, without a busy loop. */
export class Wake {
  readonly #clock: Clock;
  readonly #sleepers = new Map<() => void, string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Starts to listen at once, so that what happens between a look at the queue and the wait for it is not missed. The
   * wait ends after `delayMs`, by {@link all} or by {@link only}; a listener that is not waited for must be cancelled.
   */
  listen(name: string): { wait(delayMs: number): Promise<void>; cancel(): void } {
    let wake = (): void => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#sleepers.set(wake, name);
    const cancel = (): void => void this.#sleepers.delete(wake);
    return {
      cancel,
      wait: async (delayMs) => {
        const stop = this.#clock.after(delayMs, wake);
        await woken;
        stop();
        cancel();
      },
    };
  }

  all(): void {
    for (const wake of this.#sleepers.keys()) wake();
  }

  /** Wakes who listens under this name. */
  only(name: string): void {
    for (const [wake, sleeper] of this.#sleepers) if (sleeper === name) wake();
  }
}
