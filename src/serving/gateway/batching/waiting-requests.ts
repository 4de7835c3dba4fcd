import { gatewayErrors, later } from '../errors.ts';
import { type BatchPolicy, levelOf, type QueuePolicy, type QueueWish, timeoutOf } from './batch-policy.ts';

const RETRY_AFTER_MS = 1_000;
const FIRST_COME: QueueWish = {};

/** The place of one request among those that wait, whatever the rows in it. */
export class Place {
  readonly level: number;
  readonly timeoutMs: number;
  readonly whenLate: QueuePolicy['whenLate'];
  readonly #counts: number[];
  #waiting = 0;

  constructor(level: number, waits: Pick<QueuePolicy, 'timeoutMs' | 'whenLate'>, counts: number[]) {
    this.level = level;
    this.timeoutMs = waits.timeoutMs;
    this.whenLate = waits.whenLate;
    this.#counts = counts;
  }

  /** Rows of it wait from now on. */
  joined(): void {
    this.#waiting += 1;
    if (this.#waiting === 1) this.#counts[this.level] = (this.#counts[this.level] ?? 0) + 1;
  }

  left(): void {
    this.#waiting -= 1;
    if (this.#waiting === 0) this.#counts[this.level] = (this.#counts[this.level] ?? 1) - 1;
  }
}

/** How many requests wait for each model or endpoint, by priority. */
export class WaitingRequests {
  readonly #counts = new Map<string, number[]>();

  /** A place for a request. It takes none from others before its rows wait. Errors: `gateway/queue-full`. */
  enter(name: string, policy: BatchPolicy, wish: QueueWish = FIRST_COME): Place {
    const level = levelOf(policy, wish);
    const queue = policy.levels[level - 1] as QueuePolicy;
    const counts = this.#counts.get(name) ?? [];
    this.#counts.set(name, counts);
    const waiting = counts[level] ?? 0;
    if (waiting >= queue.requestsMax) {
      const which = policy.levels.length > 1 ? ` of priority ${level}` : '';
      const why = `'${name}' has ${waiting} requests${which} waiting, which is ${policy.names.requestsMax}`;
      throw later(gatewayErrors['queue-full'](why), RETRY_AFTER_MS);
    }
    return new Place(level, { timeoutMs: timeoutOf(queue, wish), whenLate: queue.whenLate }, counts);
  }
}
