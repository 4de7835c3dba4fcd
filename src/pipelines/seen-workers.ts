import type { WorkerView } from './contract.ts';

/** A worker asks for work every ten seconds or beats for what it runs, so one that is silent for longer is gone. */
const FORGOTTEN_AFTER_MS = 3_600_000;
const WORKERS_MAX = 1_000;

/** Who has asked this process for work, and when last. It is for people to look at: nothing is decided on it. */
export class SeenWorkers {
  /** Least recently seen first. */
  readonly #seen = new Map<string, WorkerView>();

  /** `labels` are those it told; without any, those of before stay. */
  saw(worker: string, { at, labels }: { readonly at: number; readonly labels?: WorkerView['labels'] }): void {
    const known = this.#seen.get(worker);
    this.#seen.delete(worker);
    this.#seen.set(worker, { worker, seenAt: at, labels: labels ?? known?.labels ?? {} });
    const [longest] = this.#seen.keys();
    if (this.#seen.size > WORKERS_MAX && longest !== undefined) this.#seen.delete(longest);
  }

  left(worker: string): void {
    this.#seen.delete(worker);
  }

  /** By name, as of `now`. */
  list(now: number): WorkerView[] {
    for (const { worker, seenAt } of this.#seen.values()) if (now - seenAt > FORGOTTEN_AFTER_MS) this.left(worker);
    return [...this.#seen.values()].sort((a, b) => (a.worker < b.worker ? -1 : 1));
  }
}
