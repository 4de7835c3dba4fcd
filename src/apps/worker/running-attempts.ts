import { rmdirSync, unlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '#core/errors';
import type { LeasedAttempt } from '#pipelines';
import { runAttempt, type WorkOffer } from './attempt.ts';
import type { WorkerOptions } from './run-worker.ts';

/** Folders of ended attempts that are being removed at a time; further ones hold up the attempts that left them. */
const REMOVALS_MAX = 16;

/** The attempts that a worker runs. What came with the answer to the report of one takes its slot. */
export class RunningAttempts {
  readonly #options: WorkerOptions;
  readonly #dir: string;
  readonly #offer: Omit<WorkOffer, 'slots'>;
  readonly #running = new Map<string, Promise<void>>();
  /** Folders of attempts that have ended, which are removed once the next step runs. */
  #left: string[] = [];
  readonly #removals = new Set<Promise<void>>();

  /** `dir` has the folders of the attempts, `instance` is this process of the worker. */
  constructor(options: WorkerOptions, { dir, instance }: { readonly dir: string; readonly instance: string }) {
    const { name: worker, labels, resources } = options;
    this.#options = options;
    this.#dir = dir;
    this.#offer = { worker, instance, labels: { ...labels }, resources: { ...resources } };
  }

  get ids(): string[] {
    return [...this.#running.keys()];
  }

  /** What the worker asks for with all slots that are free. */
  get offer(): WorkOffer {
    return { ...this.#offer, slots: this.#options.slots - this.#running.size };
  }

  start(leased: LeasedAttempt): void {
    const { attempt } = leased;
    const dir = join(this.#dir, attempt);
    // The slot of the attempt is its own until the answer is here, and no other request offers it.
    const next = (): WorkOffer | undefined => (this.#options.signal.aborted ? undefined : { ...this.#offer, slots: 1 });
    const ended = runAttempt(leased, this.#options, { dir, next, started: () => this.#tidy() })
      .catch((error): LeasedAttempt[] => {
        this.#options.logger.error({ err: error, attempt }, `attempt failed: ${messageOf(error)}`);
        return [];
      })
      .then(async (attempts) => {
        if (this.#removals.size >= REMOVALS_MAX) await Promise.race(this.#removals);
        this.#left.push(dir);
        this.#running.delete(attempt);
        for (const further of attempts) this.start(further);
        if (attempts.length === 0) this.#tidy();
      });
    this.#running.set(attempt, ended);
  }

  /** Resolves when an attempt has ended, or on the signal. */
  async oneEnded(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = (): void => resolve();
    signal.addEventListener('abort', end, { once: true });
    for (const ended of this.#running.values()) void ended.then(end);
    await promise;
    signal.removeEventListener('abort', end);
  }

  /** Resolves when all have ended, and their folders are removed. */
  async allEnded(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
    await Promise.all(this.#removals);
  }

  #tidy(): void {
    const left = this.#left;
    this.#left = [];
    for (const dir of left) {
      if (removeAtOnce(dir)) continue;
      const removed = rm(dir, { recursive: true, force: true })
        .catch((error) => this.#options.logger.warn({ dir }, `the folder of an attempt is left: ${messageOf(error)}`))
        .finally(() => this.#removals.delete(removed));
      this.#removals.add(removed);
    }
  }
}

/** Removes the folder of an attempt that left nothing but its result in it, if that; false for any other. */
function removeAtOnce(dir: string): boolean {
  try {
    rmdirSync(join(dir, 'work'));
    if (isRemoved(dir)) return true;
    unlinkSync(join(dir, 'result.json'));
    return isRemoved(dir);
  } catch {
    return false;
  }
}

function isRemoved(dir: string): boolean {
  try {
    rmdirSync(dir);
    return true;
  } catch {
    return false;
  }
}
