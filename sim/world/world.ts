import type { IdSource } from '#core/ids';
import { type Random, seededRandom } from '#core/random';
import { CALM, type Fault, type Plan } from './plan.ts';
import { Timers } from './timers.ts';

/** What a check found: the number of the invariant in the README of pipelines, and what breaks it. */
export interface Violation {
  readonly invariant: number;
  readonly message: string;
}

export interface WorldOptions {
  readonly seed: number;
  /** Gets each line of the schedule as it happens. */
  readonly onTrace?: ((line: string) => void) | undefined;
}

/**
 * One deterministic world: virtual time, one source of chance, and a queue of what happens next. Everything that takes
 * time in it is a timer here, so that one seed is one schedule, byte for byte.
 */
export class World {
  readonly seed: number;
  readonly random: Random;
  readonly ids: IdSource;
  /** What may go wrong at the moment, and how often. */
  plan: Plan = CALM;
  /** Whether nothing in this world can cost a worker its lease. */
  isQuiet = false;
  /** How often each fault has really happened. */
  readonly faults = new Map<Fault, number>();
  readonly #timers: Timers;
  readonly #onTrace: ((line: string) => void) | undefined;
  #nowMs = 0;
  #violation: Violation | undefined;
  #steps = 0;
  #count = 0;

  constructor({ seed, onTrace }: WorldOptions) {
    this.seed = seed;
    this.random = seededRandom(seed);
    this.#timers = new Timers(this.random);
    this.#onTrace = onTrace;
    this.ids = { next: (prefix) => `${prefix}_${String(++this.#count).padStart(6, '0')}` };
  }

  /** Virtual milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events that were played. */
  get steps(): number {
    return this.#steps;
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  /** Calls `run` after `delayMs` of virtual time; the returned function cancels it. */
  at(delayMs: number, run: () => void): () => void {
    return this.#timers.add(this.#nowMs + Math.max(0, delayMs), run);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return probability > 0 && this.random.next() < probability;
  }

  between(from: number, to: number): number {
    return from + this.random.next() * (to - from);
  }

  /** Counts a fault that really happened, and tells the trace. */
  fault(name: Fault, where: string): void {
    this.faults.set(name, (this.faults.get(name) ?? 0) + 1);
    this.tell(() => `FAULT ${name}: ${where}`);
  }

  tell(words: () => string): void {
    this.#onTrace?.(`${(this.#nowMs / 1_000).toFixed(4).padStart(9)} ${words()}`);
  }

  /** The first violation counts; the world stands still from then on. */
  violated(violation: Violation): void {
    this.#violation ??= violation;
    this.tell(() => `VIOLATION of invariant ${violation.invariant}: ${violation.message}`);
  }

  /** Plays events until `done`, a violation, or `untilMs` of virtual time. Tells whether `done` came. */
  async play(untilMs: number, done: () => boolean): Promise<boolean> {
    while (!this.#violation) {
      if (done()) return true;
      const next = this.#timers.next(untilMs);
      if (!next) return false;
      this.#nowMs = Math.max(this.#nowMs, next.at);
      this.#steps += 1;
      next.run();
      await everythingThatFollows();
    }
    return false;
  }
}

/**
 * Resolves when no promise can go on by itself any more. All input and output of the world is timers, and SQLite
 * answers at once, so what follows from an event is reactions of promises alone.
 */
function everythingThatFollows(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
