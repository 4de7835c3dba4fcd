import { gatewayErrors, later } from '../errors.ts';
import { type BatchPolicy, levelOf, type QueuePolicy, type QueueWish, timeoutOf } from './batch-policy.ts';

const RETRY_AFTER_MS = 1_000;
const FIRST_COME: QueueWish = {};

/** The place of one request among those that wait, whatever the rows in it. */
export class Place {
  readonly level: number;
  readonly timeoutMs: number;
  readonly whenLate: QueuePolicy['whenLate'];
  readonly #waiting: Waiting;
  #rows = 0;

  constructor(level: number, waits: Pick<QueuePolicy, 'timeoutMs' | 'whenLate'>, waiting: Waiting) {
    this.level = level;
    this.timeoutMs = waits.timeoutMs;
    this.whenLate = waits.whenLate;
    this.#waiting = waiting;
  }

  /** A row of it waits from now on. */
  joined(): void {
    this.#rows += 1;
    if (this.#rows === 1) this.#count(1);
  }

  /** A row of it waits no longer. */
  left(): void {
    this.#rows -= 1;
    if (this.#rows === 0) this.#count(-1);
  }

  #count(change: 1 | -1): void {
    const { byLevel, counted } = this.#waiting;
    byLevel[this.level] = (byLevel[this.level] ?? 0) + change;
    counted.pending += change;
  }
}

interface Waiting {
  /** Requests by priority. */
  readonly byLevel: number[];
  readonly counted: { pending: number };
}

interface Entering {
  readonly wish?: QueueWish | undefined;
  readonly counted: { pending: number };
}

/** How many requests wait for each model or endpoint, by priority. */
export class WaitingRequests {
  readonly #waiting = new Map<string, number[]>();
  readonly #processes: number;

  /** Connections are spread evenly over the processes of a gateway, so each bears an equal part of a limit. */
  constructor(processes = 1) {
    this.#processes = processes;
  }

  /**
   * A place for a request, which takes none from others before its rows wait. `counted` is told of those that do.
   * Errors: `gateway/queue-full`.
   */
  enter(name: string, policy: BatchPolicy, { wish = FIRST_COME, counted }: Entering): Place {
    const level = levelOf(policy, wish);
    const queue = policy.levels[level - 1] as QueuePolicy;
    const byLevel = this.#waiting.get(name) ?? [];
    this.#waiting.set(name, byLevel);
    const waiting = byLevel[level] ?? 0;
    if (waiting >= Math.ceil(queue.requestsMax / this.#processes)) {
      const which = policy.levels.length > 1 ? ` of priority ${level}` : '';
      const whose = this.#processes > 1 ? ' of this process' : '';
      const why = `'${name}' has ${waiting} requests${which} waiting, which is ${policy.names.requestsMax}${whose}`;
      throw later(gatewayErrors['queue-full'](why), RETRY_AFTER_MS);
    }
    return new Place(level, { timeoutMs: timeoutOf(queue, wish), whenLate: queue.whenLate }, { byLevel, counted });
  }
}
