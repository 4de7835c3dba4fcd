import { backoffMs } from '#core/backoff';
import { type Clock, sleep } from '#core/clock';
import type { Random } from '#core/random';
import { ApiError, type KubernetesApi } from './client.ts';

export interface LogOptions {
  readonly api: KubernetesApi;
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** One stream alone, where the cluster can tell them apart. */
  readonly stream?: 'Stdout' | 'Stderr';
  readonly clock: Clock;
  readonly random: Random;
  /** Aborted when the container has ended: a log that is asked for afterwards is whole, or not there if refused. */
  readonly ended: AbortSignal;
  readonly onBytes: (bytes: Buffer) => void;
  readonly signal: AbortSignal;
}

const BACKOFF_CAP_MS = 5_000;
const READY_MS = 250;
const ENDED_MS = 2_000;

/**
 * Passes on the log of a container until it ends. Each line is asked for with its time, so that after a connection
 * that broke the log goes on where it was, without a byte twice.
 */
export async function followLog(options: LogOptions): Promise<void> {
  const { api, namespace, pod, container, stream, clock, random, ended, signal } = options;
  const position = new LogPosition(options.onBytes);
  let failures = 0;
  while (!signal.aborted) {
    const isWhole = ended.aborted;
    try {
      const query = { container, follow: true, timestamps: true, stream, sinceTime: position.sinceTime };
      const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log`;
      const response = await api.open('GET', path, { query, signal });
      position.reopen();
      for await (const chunk of response as AsyncIterable<Buffer>) {
        position.take(chunk);
        failures = 0;
      }
      if (isWhole) return;
      // It may be the connection that ended: what comes after is asked for when the container is known to have ended.
      await sleep(clock, ENDED_MS, ended);
    } catch (error) {
      if (signal.aborted) return;
      const isRefused = error instanceof ApiError && !error.isPassing;
      if (isRefused && isWhole) return;
      // A container that is about to start has no log yet, which is refused with 400.
      const waitMs = isRefused ? READY_MS : backoffMs(failures++, random, { capMs: BACKOFF_CAP_MS });
      await sleep(clock, waitMs, isRefused ? ended : signal);
    }
  }
}

/** The longest time in front of a line: `2026-01-02T03:04:05.123456789+00:00`. */
const STAMP_LENGTH_MAX = 35;
const SPACE = 32;
const NEWLINE = 10;

/**
 * Where a log has been read to: the time of the last line, how many lines of that very time there were, and how much of
 * the last one. `sinceTime` knows whole seconds only, so what comes again is recognised and left out.
 */
export class LogPosition {
  readonly #onBytes: (bytes: Buffer) => void;
  /** The time of the line that is being read, as far as it came; undefined behind it. */
  #stamp: string | undefined = '';
  #last = { stamp: '', lines: 0, bytes: 0 };
  /** Of a connection that was opened again: the lines of the last time that were met, and what to leave out of one. */
  #met: number | undefined;
  #leaveOut = 0;
  /** How much of the last line this connection has brought. */
  #read = 0;

  constructor(onBytes: (bytes: Buffer) => void) {
    this.#onBytes = onBytes;
  }

  get sinceTime(): string | undefined {
    return this.#last.stamp.replace(/\.\d+/, '') || undefined;
  }

  reopen(): void {
    this.#stamp = '';
    this.#met = this.#last.stamp === '' ? undefined : 0;
    this.#leaveOut = 0;
  }

  take(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) at = this.#stamp === undefined ? this.#content(chunk, at) : this.#prefix(chunk, at);
  }

  #prefix(chunk: Buffer, from: number): number {
    const end = chunk.indexOf(SPACE, from);
    const part = chunk.toString('latin1', from, end < 0 ? chunk.length : end);
    const stamp = `${this.#stamp}${part}`;
    if (stamp.length > STAMP_LENGTH_MAX) throw new ApiError(0, 'a line of the log has no time');
    this.#stamp = end < 0 ? stamp : undefined;
    if (end < 0) return chunk.length;
    this.#begin(stamp);
    return end + 1;
  }

  #begin(stamp: string): void {
    const last = this.#last;
    if (this.#met !== undefined) {
      if (precedes(stamp, last.stamp)) {
        this.#leaveOut = Number.POSITIVE_INFINITY;
        return;
      }
      if (stamp === last.stamp && this.#met < last.lines) {
        this.#met++;
        // The last line may have been cut in the middle.
        this.#leaveOut = this.#met === last.lines ? last.bytes : Number.POSITIVE_INFINITY;
        this.#read = 0;
        return;
      }
      this.#met = undefined;
    }
    this.#leaveOut = 0;
    this.#read = 0;
    this.#last = { stamp, lines: stamp === last.stamp ? last.lines + 1 : 1, bytes: 0 };
  }

  #content(chunk: Buffer, from: number): number {
    const newline = chunk.indexOf(NEWLINE, from);
    const end = newline < 0 ? chunk.length : newline + 1;
    const skipped = Math.min(this.#leaveOut, end - from);
    this.#leaveOut -= skipped;
    if (this.#leaveOut < Number.POSITIVE_INFINITY) {
      this.#read += end - from;
      this.#last.bytes = Math.max(this.#last.bytes, this.#read);
    }
    if (end > from + skipped) this.#onBytes(chunk.subarray(from + skipped, end));
    if (newline >= 0) this.#stamp = '';
    return end;
  }
}

/** Whether one time is before another: RFC 3339 with nanoseconds, which are finer than a `Date`. */
function precedes(a: string, b: string): boolean {
  const [aSeconds, aNanos] = parts(a);
  const [bSeconds, bNanos] = parts(b);
  return aSeconds === bSeconds ? aNanos < bNanos : aSeconds < bSeconds;
}

function parts(stamp: string): [seconds: number, nanos: string] {
  const [, fraction = ''] = /\.(\d+)/.exec(stamp) ?? [];
  return [Date.parse(stamp.replace(/\.\d+/, '')), fraction.padEnd(9, '0')];
}
