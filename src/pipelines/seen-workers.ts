import type { WorkerView } from './contract.ts';

/** A worker asks for work every ten seconds or beats for what it runs, so one that is silent for longer is gone. */
const FORGOTTEN_AFTER_MS = 3_600_000;
const WORKERS_MAX = 1_000;

interface Seen extends WorkerView {
  readonly instance: string;
}

/** Who has asked this process for work, and when last. It is for people to look at: nothing is decided on it. */
export class SeenWorkers {
  /** Least recently seen first. */
  readonly #seen = new Map<string, Seen>();

  /** `labels` are those it told; without any, those of before stay. */
  saw(
    worker: string,
    { instance, at, labels }: { readonly instance: string; readonly at: number; readonly labels?: Seen['labels'] },
  ): void {
    const known = this.#seen.get(worker);
    this.#seen.delete(worker);
    this.#seen.set(worker, { worker, instance, seenAt: at, labels: labels ?? known?.labels ?? {} });
    const [longest] = this.#seen.keys();
    if (this.#seen.size > WORKERS_MAX && longest !== undefined) this.#seen.delete(longest);
  }

  /** Forgets a worker, unless another process has its name meanwhile. */
  left({ worker, instance }: { readonly worker: string; readonly instance: string }): void {
    if (this.#seen.get(worker)?.instance === instance) this.#seen.delete(worker);
  }

  /** By name, as of `now`. */
  list(now: number): WorkerView[] {
    for (const seen of this.#seen.values()) if (now - seen.seenAt > FORGOTTEN_AFTER_MS) this.left(seen);
    return [...this.#seen.values()]
      .map(({ worker, seenAt, labels }) => ({ worker, seenAt, labels }))
      .sort((a, b) => (a.worker < b.worker ? -1 : 1));
  }
}
