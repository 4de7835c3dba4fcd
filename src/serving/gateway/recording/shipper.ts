import { backoffMs } from '#core/backoff';
import { sleep } from '#core/clock';
import { KedgeError, messageOf } from '#core/errors';
import { Outage } from '#core/outage';
import type { System } from '#core/system';
import type { Logger, Metrics } from '#platform/observe';
import {
  APPEND_BYTES_MAX,
  type LogCursor,
  type LogPage,
  PAGE_RECORDS_MAX,
  type ReadQuery,
  type SyncEventLog,
} from '#ports/event-log';
import type { Backlog } from './backlog.ts';
import { decodeEntries, encodeEntry, entriesIn } from './entry-codec.ts';
import { noteUnscored, type Unscored } from './score-again.ts';
import { BATCH_BYTES_MAX, batchOf, type ShipBatch } from './ship-batch.ts';

export interface ShipperOptions {
  readonly log: SyncEventLog;
  readonly system: System;
  readonly logger: Logger;
  /** Knows of what is in the log and not sent, also of what was when it starts. */
  readonly backlog: Backlog;
  /** By outcome. */
  readonly shippedTotal: ReturnType<Metrics['counter']>;
  /** Posts records of the log, each of one or more predictions that wait for nothing. */
  readonly post: PostRecords;
  /** How long records are gathered before they are sent. */
  readonly everyMs: number;
  /** Has scores made that processes which are gone did not come to, and tells of which predictions it will. */
  readonly scoreAgain: (unscored: readonly Unscored[]) => readonly string[];
}

export type PostRecords = (records: readonly Uint8Array[], signal: AbortSignal) => Promise<PostResult>;

/** `refused` means that the same records would be refused again; anything else that fails is thrown and tried again. */
export type PostResult = 'accepted' | 'refused';

const CURSOR = 'shipper';
/** As much of the log as a batch is made of, as a rule. */
const USUAL_PAGE = { limit: 4_000, bytesMax: BATCH_BYTES_MAX };
const LARGEST_PAGE = { limit: PAGE_RECORDS_MAX, bytesMax: APPEND_BYTES_MAX };
/** A score beside an answer that was not written after so long was lost with its process. */
const SHADOW_WAIT_MS = 30_000;
/** How often a flush looks again for a score that is still being made. */
const SHADOW_POLL_MS = 5;

/**
 * Sends what was recorded to the control plane, in order, and moves the log's cursor after each batch. A batch that was
 * sent but not marked so is sent again after a crash, which the receiver's idempotence by id makes harmless. While the
 * control plane cannot be reached the log grows up to the recorder's limit.
 */
export class Shipper {
  readonly #options: ShipperOptions;
  readonly #cursor: LogCursor;
  readonly #stop = new AbortController();
  readonly #shippedTotal: ReturnType<Metrics['counter']>;
  #shipped = 0;
  #batch: ShipBatch | undefined;
  /** What was read and is not in a batch yet. */
  #rest: LogPage | undefined;
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** Entries up to here were written by processes that are gone: what they await is scored again or never comes. */
  #inheritedEnd = 0;
  #inherited: Promise<void> = Promise.resolve();
  #scoredAgain: ReadonlySet<string> = new Set();
  #scoredAgainUntil = 0;

  constructor(options: ShipperOptions) {
    this.#options = options;
    this.#cursor = options.log.cursor(CURSOR);
    this.#shippedTotal = options.shippedTotal;
  }

  async start(): Promise<void> {
    const { log } = this.#options;
    this.#shipped = Math.max(await this.#cursor.get(), await log.start());
    this.#inheritedEnd = await log.end();
    this.#inherited = this.#scoreAgain();
    this.#running = this.#loop();
  }

  /** Tells that there is something to send. */
  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Sends everything that is in the log now, and tells how many predictions that were. Throws when it cannot. */
  async flush(): Promise<number> {
    await this.#inherited;
    const end = await this.#options.log.end();
    let sent = 0;
    while (this.#shipped < end && !this.#stop.signal.aborted) {
      const batch = await this.#exclusive(() => this.#shipOne());
      if (batch === undefined) await sleep(this.#options.system.clock, SHADOW_POLL_MS, this.#stop.signal);
      else sent += batch;
    }
    return sent;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    await this.#running;
    await this.#turn.catch(() => undefined);
  }

  async #loop(): Promise<void> {
    const { system, logger, everyMs } = this.#options;
    const { signal } = this.#stop;
    const outage = new Outage(system.clock);
    let failures = 0;
    await this.#inherited;
    while (!signal.aborted) {
      try {
        const sent = await this.#exclusive(() => this.#shipOne());
        failures = 0;
        if (outage.over()) logger.info('the control plane takes predictions again');
        if (sent === undefined) {
          await this.#woken();
          await sleep(system.clock, everyMs, signal);
        }
      } catch (error) {
        if (signal.aborted) return;
        const waitMs = backoffMs(failures++, system.random, { baseMs: 200, capMs: 10_000 });
        if (outage.failed()) logger.warn({ failures }, `predictions are kept for later: ${messageOf(error)}`);
        await sleep(system.clock, waitMs, signal);
      }
    }
  }

  /** Counts what was inherited, and looks through it for predictions without the score beside them. */
  async #scoreAgain(): Promise<void> {
    const { log, backlog, system, logger, scoreAgain } = this.#options;
    const unscored = new Map<string, Unscored>();
    try {
      for (let after = this.#shipped; after < this.#inheritedEnd; ) {
        const page = await log.read({ after, ...USUAL_PAGE });
        for (const { data } of page.records) {
          const entries = entriesIn(data);
          backlog.add(entries);
          if (entries === 1) noteUnscored(unscored, decodeEntries(data)[0]);
        }
        if (page.last <= after) break;
        after = page.last;
      }
    } catch (error) {
      logger.error({ err: error }, `what the last run left unscored cannot be read: ${messageOf(error)}`);
    }
    this.#scoredAgain = new Set(scoreAgain([...unscored.values()]));
    this.#scoredAgainUntil = system.clock.now() + SHADOW_WAIT_MS;
  }

  /** One sender at a time, whether the loop or a flush. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work, work);
    this.#turn = turn;
    return turn;
  }

  /** Sends one batch and tells how many predictions it had; `undefined` when there is nothing to send yet. */
  async #shipOne(): Promise<number | undefined> {
    const { log, backlog } = this.#options;
    // A batch that could not be sent is kept: reading it again for each attempt would cost more than scoring did.
    this.#batch ??= await this.#nextBatch();
    const { records, predictions, entries, last } = this.#batch;
    if (last <= this.#shipped) {
      this.#batch = undefined;
      return undefined;
    }
    if (records.length > 0) await this.#send(records);
    await this.#cursor.set(last);
    this.#shipped = last;
    this.#batch = undefined;
    backlog.settle(entries);
    await log.trim(last + 1);
    return predictions;
  }

  async #nextBatch(): Promise<ShipBatch> {
    if (this.#rest?.records[0]?.offset === this.#shipped + 1) {
      const batch = this.#batchOf(this.#rest, false);
      if (batch.isFull) return batch;
    }
    const batch = await this.#batchFrom(USUAL_PAGE);
    // The score that the first one waits for may lie beyond a page while requests come faster than scores.
    return batch.last <= this.#shipped ? this.#batchFrom(LARGEST_PAGE) : batch;
  }

  async #batchFrom(size: Pick<ReadQuery, 'limit' | 'bytesMax'>): Promise<ShipBatch> {
    const page = await this.#read(size);
    return this.#batchOf(page, page.last >= (await this.#options.log.end()) || size === LARGEST_PAGE);
  }

  #batchOf(page: LogPage, complete: boolean): ShipBatch {
    const now = this.#options.system.clock.now();
    if (now > this.#scoredAgainUntil) this.#scoredAgain = new Set();
    const batch = batchOf(page, {
      complete,
      settledEnd: this.#inheritedEnd,
      receivedBefore: now - SHADOW_WAIT_MS,
      scoredAgain: this.#scoredAgain,
    });
    const rest = () => page.records.filter(({ offset }) => offset > batch.last);
    this.#rest = batch.isFull ? { ...page, records: rest() } : undefined;
    return batch;
  }

  async #send(records: readonly Uint8Array[]): Promise<void> {
    const result = await this.#options.post(records, this.#stop.signal);
    if (result === 'accepted') {
      const predictions = records.reduce((sum, record) => sum + entriesIn(record), 0);
      this.#shippedTotal.inc({ outcome: 'accepted' }, predictions);
      return;
    }
    // One that is refused must hold up neither its batch nor the log: halve until it stands alone.
    const [first = new Uint8Array(0)] = records;
    const parts = records.length > 1 ? records : decodeEntries(first).map(encodeEntry);
    if (parts.length <= 1) return this.#drop(first);
    const middle = parts.length >> 1;
    await this.#send(parts.slice(0, middle));
    await this.#send(parts.slice(middle));
  }

  #drop(record: Uint8Array): void {
    const [entry] = decodeEntries(record);
    const id = entry && 'prediction' in entry ? entry.prediction.id : undefined;
    this.#shippedTotal.inc({ outcome: 'refused' }, entriesIn(record));
    this.#options.logger.error({ id }, 'the control plane refuses a recorded prediction; it is dropped');
  }

  async #read(size: Pick<ReadQuery, 'limit' | 'bytesMax'>): Promise<LogPage> {
    const { log, backlog, logger } = this.#options;
    try {
      return await log.read({ after: this.#shipped, ...size });
    } catch (error) {
      if (!(error instanceof KedgeError) || error.code !== 'log/trimmed') throw error;
      const start = await log.start();
      logger.error({ from: this.#shipped, to: start }, 'recorded predictions were trimmed before they were sent');
      this.#shipped = start;
      // How many they were cannot be told any more.
      backlog.clear();
      return log.read({ after: start, ...size });
    }
  }

  async #woken(): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (this.#stop.signal.aborted || (await this.#options.log.end()) > this.#shipped) return;
    await woken;
  }
}
