import type { System } from '#core/system';
import { gatewayErrors } from '../../errors.ts';
import type { WrittenAnswer } from './write-infer.ts';

/** Answers that are kept for their clients, finished or not. */
export const RESULTS_MAX = 1_000;
/** Of all finished answers together. */
const RESULT_BYTES_MAX = 64 * 1024 * 1024;
/** How long a finished answer is kept. */
const KEPT_MS = 600_000;

type Outcome = { readonly answer: WrittenAnswer } | { readonly error: unknown };

interface Result {
  outcome?: Outcome;
  bytes: number;
  cancelExpiry?: () => void;
}

/**
 * Answers to requests whose clients do not wait for them (`Prefer: respond-async`, RFC 7240). They are in the memory of
 * this gateway: one that ends takes them with it. When there is no more room, the oldest finished ones leave.
 */
export class AsyncResults {
  readonly #system: Pick<System, 'clock' | 'ids'>;
  readonly #results = new Map<string, Result>();
  #bytes = 0;

  constructor(system: Pick<System, 'clock' | 'ids'>) {
    this.#system = system;
  }

  /** An id for an answer. */
  nextId(): string {
    return this.#system.ids.next('result');
  }

  /** Keeps the answer under an id, which it tells. Throws `gateway/busy` when too many are not finished. */
  start(work: () => Promise<WrittenAnswer>, id = this.nextId()): string {
    if (this.#results.size >= RESULTS_MAX) this.#makeRoom();
    const result: Result = { bytes: 0 };
    this.#results.set(id, result);
    work().then(
      (answer) => this.#finish(id, result, { answer }),
      (error) => this.#finish(id, result, { error }),
    );
    return id;
  }

  has(id: string): boolean {
    return this.#results.has(id);
  }

  /** `undefined` while it is worked on. Throws `gateway/not-found`, also for what has left, or what the work threw. */
  get(id: string): WrittenAnswer | undefined {
    const result = this.#results.get(id);
    if (!result) throw gatewayErrors['not-found'](`there is no result '${id.slice(0, 100)}'`);
    if (!result.outcome) return undefined;
    if ('error' in result.outcome) throw result.outcome.error;
    return result.outcome.answer;
  }

  #finish(id: string, result: Result, outcome: Outcome): void {
    if (this.#results.get(id) !== result) return;
    result.outcome = outcome;
    result.bytes = 'answer' in outcome ? outcome.answer.body.length : 0;
    this.#bytes += result.bytes;
    result.cancelExpiry = this.#system.clock.after(KEPT_MS, () => this.#drop(id));
    for (const oldest of this.#finished()) {
      if (this.#bytes <= RESULT_BYTES_MAX || oldest === id) break;
      this.#drop(oldest);
    }
  }

  #makeRoom(): void {
    const [oldest] = this.#finished();
    if (oldest === undefined) throw gatewayErrors.busy(`${RESULTS_MAX} results are worked on, which is the limit`);
    this.#drop(oldest);
  }

  *#finished(): Iterable<string> {
    for (const [id, { outcome }] of this.#results) if (outcome) yield id;
  }

  /** Forgets everything, so that nothing keeps the process running. */
  clear(): void {
    for (const id of [...this.#results.keys()]) this.#drop(id);
  }

  #drop(id: string): void {
    const result = this.#results.get(id);
    result?.cancelExpiry?.();
    this.#bytes -= result?.bytes ?? 0;
    this.#results.delete(id);
  }
}
