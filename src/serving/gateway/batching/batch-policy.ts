import type { BatchingSpec } from '../../batching-spec.ts';

/** How the requests of one model wait, and how they are joined into runs. */
export interface BatchPolicy {
  /** Rows of one run. */
  readonly rowsMax: number;
  /** Numbers of rows with which a run begins although more might come, rising; `rowsMax` is one always. */
  readonly preferred: readonly number[];
  /** How long a request waits for others to join its run. */
  readonly delayMs: number;
  /** Of a request that names no priority, or one that there is not. */
  readonly defaultLevel: number;
  /** By priority: the first is priority 1, which goes before all others. */
  readonly levels: readonly QueuePolicy[];
  /** Answers leave in the order of the requests: there is one run at a time. */
  readonly ordered: boolean;
  /** What the declaration calls the limits, for whoever runs into one. */
  readonly names: { readonly requestsMax: string; readonly timeout: string };
}

/** How requests of one priority wait. */
export interface QueuePolicy {
  /** Requests that wait, `Infinity` for any number. */
  readonly requestsMax: number;
  /** How long one may wait for its run, `Infinity` for any time. */
  readonly timeoutMs: number;
  /** Whether a request may name a shorter time. */
  readonly override: boolean;
  /** What becomes of one past that time: it is refused, or runs after those of its priority that are in time. */
  readonly whenLate: 'reject' | 'delay';
}

/** What a request asks of the queue. */
export interface QueueWish {
  readonly priority?: number | undefined;
  readonly timeoutMs?: number | undefined;
}

/** Of an endpoint. `undefined` where nothing is declared. */
export function batchPolicyOf(spec: BatchingSpec | undefined): BatchPolicy | undefined {
  if (!spec) return undefined;
  const { maxRows, maxDelayMs, queueMax, queueTimeoutMs, whenLate, priorities } = spec;
  const level: QueuePolicy = {
    requestsMax: queueMax ?? Number.POSITIVE_INFINITY,
    timeoutMs: queueTimeoutMs ?? Number.POSITIVE_INFINITY,
    override: true,
    whenLate,
  };
  return {
    rowsMax: maxRows,
    preferred: [maxRows],
    delayMs: maxDelayMs,
    defaultLevel: priorities?.default ?? 1,
    levels: Array.from({ length: priorities?.levels ?? 1 }, () => level),
    ordered: false,
    names: { requestsMax: 'batching.queueMax', timeout: 'batching.queueTimeoutMs' },
  };
}

/** The priority that a request has: 0 and those past the last one mean the default, as in Triton. */
export function levelOf({ levels, defaultLevel }: BatchPolicy, { priority = 0 }: QueueWish): number {
  return priority >= 1 && priority <= levels.length ? priority : defaultLevel;
}

/** How long a request of this priority may wait: it may ask for less than what is declared, never for more. */
export function timeoutOf({ timeoutMs, override }: QueuePolicy, wish: QueueWish): number {
  return override && wish.timeoutMs ? Math.min(timeoutMs, wish.timeoutMs) : timeoutMs;
}
