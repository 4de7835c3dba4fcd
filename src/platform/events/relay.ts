import { backoffMs } from '#core/backoff';
import { sleep } from '#core/clock';
import { messageOf } from '#core/errors';
import type { System } from '#core/system';
import type { Actor, Database, Tx } from '#platform/db';
import { allCursors, cursorOf, eventsAfter, lastSeq, type PlatformEvent, saveCursor } from './store.ts';

export type { PlatformEvent } from './store.ts';

/**
 * Something that reacts to events, in order, from the first event on, never skipping one.
 *
 * `handle` runs inside the transaction that also moves the consumer's cursor, so its writes happen exactly once.
 * `effect` runs before the cursor moves and may run again after a crash: it must be idempotent. It is for work outside
 * the database (the online store, a file, another process).
 */
export interface Consumer {
  /** Stable for ever: the cursor is kept under this name. */
  readonly name: string;
  readonly types: readonly string[];
  /**
   * Which of `types` it takes at present. It is asked once for each batch, after the batch was read: what a transaction
   * before an event made it want, it gets. What it does not want costs no transaction; after a crash it is asked about
   * the last second of it again.
   */
  wantedTypes?(db: Database['reader']): Promise<readonly string[]>;
  /** The audit action of what `handle` changes; without one it may only do bookkeeping. */
  readonly action?: string;
  handle?(tx: Tx, event: PlatformEvent): Promise<void>;
  effect?(event: PlatformEvent): Promise<void>;
}

export interface RelayOptions {
  readonly db: Database;
  readonly system: System;
  readonly consumers: readonly Consumer[];
  /** Called when a consumer throws; it is retried with back-off and holds up only itself. */
  readonly onError: (consumer: string, event: PlatformEvent, message: string) => void;
  /** Called when the events themselves cannot be read; that is retried with back-off too. */
  readonly onUnreadable?: (consumer: string, message: string) => void;
  /** Upper bound of the delay after which events of another process are noticed. */
  readonly pollMs?: number;
}

const BATCH = 200;
const RETRY_MS_MAX = 10_000;
/** How long the places of consumers that only passed events over wait, to be saved together. */
const SAVE_AFTER_MS = 1_000;

/**
 * Delivers committed events to consumers. Each consumer has its own pace and its own cursor. Several relays over one
 * database do not disturb `handle`: each event moves the cursor of a consumer once, and only with it its writes.
 */
export class Relay {
  readonly #options: RelayOptions;
  readonly #stop = new AbortController();
  readonly #wakers = new Map<Consumer, () => void>();
  /** Consumers for which nothing was left when they last looked, and who wait. */
  readonly #idle = new Set<Consumer>();
  /** What this process committed last, without gaps. */
  #recent: PlatformEvent[] = [];
  readonly #idlers = new Set<() => void>();
  readonly #running: Promise<void>[] = [];
  readonly #busy = new Set<string>();
  /** How far each consumer is, as this relay knows it: at least its stored cursor, and behind what it passed over. */
  readonly #places = new Map<string, number>();
  /** Places past the stored cursors, with nothing but passed over events between. */
  readonly #unsaved = new Map<string, number>();
  readonly #reads = new Map<number, Promise<PlatformEvent[]>>();
  #saveSoon: () => void = () => {};
  #unsubscribe: () => void = () => {};

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  start(): void {
    this.#unsubscribe = this.#options.db.onPublished((events) => this.#published(events));
    for (const consumer of this.#options.consumers) this.#running.push(this.#run(consumer));
    this.#running.push(this.#savePlaces());
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#stop.abort();
    this.#wake();
    this.#saveSoon();
    await Promise.all(this.#running);
    // Best effort: without it, events that no consumer wants are passed over again after the next start.
    await this.#save().catch(() => {});
  }

  /** Whether nothing is left to be handled: neither what was committed before this call nor what came of that. */
  async caughtUp(): Promise<boolean> {
    const { db } = this.#options;
    const end = await lastSeq(db.reader);
    if (!(await this.#handledUpTo(end))) return false;
    // What was being handled when `end` was read may have brought events of its own.
    return (await lastSeq(db.reader)) === end;
  }

  async #handledUpTo(end: number): Promise<boolean> {
    const { db, consumers } = this.#options;
    const behind = consumers.filter(({ name }) => (this.#places.get(name) ?? 0) < end);
    if (this.#busy.size > 0 || behind.length === 0) return this.#busy.size === 0;
    // Another relay over the same database may have handled what this one has not looked at yet.
    const cursors = await allCursors(db.reader);
    return this.#busy.size === 0 && behind.every(({ name }) => (cursors.get(name) ?? 0) >= end);
  }

  /** Resolves when a consumer next finds that nothing is left for it, or after `withinMs`. */
  async nextIdle(withinMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.system.clock.after(withinMs, resolve);
    this.#idlers.add(resolve);
    await promise;
    cancel();
    this.#idlers.delete(resolve);
  }

  async #run(consumer: Consumer): Promise<void> {
    const { system, onError, onUnreadable } = this.#options;
    for (let failures = 0; !this.#stop.signal.aborted; ) {
      const wake = this.#armWake(consumer);
      let current: PlatformEvent | undefined;
      try {
        const delivered = await this.#deliverNext(consumer, (event) => {
          current = event;
        });
        failures = 0;
        if (delivered !== 'some') {
          this.#idle.add(consumer);
          this.#tellIdlers();
          await wake.promise;
        }
      } catch (error) {
        if (current) onError(consumer.name, current, messageOf(error));
        else onUnreadable?.(consumer.name, messageOf(error));
        const delayMs = backoffMs(failures++, system.random, { capMs: RETRY_MS_MAX });
        await sleep(system.clock, delayMs, this.#stop.signal);
      } finally {
        this.#idle.delete(consumer);
        wake.disarm();
      }
    }
  }

  /**
   * Delivers one batch of what lies behind the consumer's place. Returns whether there was anything, and whether it was
   * all that this process has committed so far. What others have committed is found at the next poll.
   */
  async #deliverNext(consumer: Consumer, onEvent: (event: PlatformEvent) => void): Promise<'none' | 'some' | 'all'> {
    const { db } = this.#options;
    const { name } = consumer;
    const place = this.#places.get(name) ?? (await cursorOf(db.reader, name));
    this.#places.set(name, place);
    const events = await this.#eventsAfter(place);
    if (events.length === 0) return 'none';
    this.#busy.add(name);
    try {
      const types = (await consumer.wantedTypes?.(db.reader)) ?? consumer.types;
      for (const event of events) {
        if (this.#stop.signal.aborted) break;
        if (types.includes(event.type)) {
          onEvent(event);
          await this.#deliver(consumer, event);
          this.#unsaved.delete(name);
        } else {
          this.#unsaved.set(name, event.seq);
        }
        this.#places.set(name, event.seq);
      }
      if (this.#unsaved.has(name)) this.#saveSoon();
      return events.at(-1) === this.#recent.at(-1) ? 'all' : 'some';
    } finally {
      this.#busy.delete(name);
    }
  }

  /**
   * Consumers at one place share one reading. What is committed meanwhile may be missing in it, so no one that comes
   * after a commit joins a reading of before.
   */
  async #eventsAfter(place: number): Promise<readonly PlatformEvent[]> {
    const recent = this.#recent.slice(Math.max(0, place + 1 - (this.#recent[0]?.seq ?? 0)));
    if (recent[0]?.seq === place + 1) return recent;
    const known = this.#reads.get(place);
    if (known) return known;
    const read = eventsAfter(this.#options.db.reader, place, BATCH).finally(() => {
      if (this.#reads.get(place) === read) this.#reads.delete(place);
    });
    this.#reads.set(place, read);
    return read;
  }

  async #deliver(consumer: Consumer, event: PlatformEvent): Promise<void> {
    const { db } = this.#options;
    const actor: Actor = { id: `system:${consumer.name}`, roles: ['system'] };
    // Another relay may have delivered it already, which is likely only where there are others by design.
    const isDone = db.dialect === 'postgres' && (await cursorOf(db.reader, consumer.name)) >= event.seq;
    if (isDone) return;
    await consumer.effect?.(event);
    await db.react({ actor, action: consumer.action ?? consumer.name }, async (tx) => {
      if ((await cursorOf(tx.db, consumer.name)) >= event.seq) return;
      await consumer.handle?.(tx, event);
      await saveCursor(tx.db, consumer.name, event.seq);
    });
  }

  /** Events that a consumer does not want only move its cursor, which is worth one write a second for all consumers. */
  async #savePlaces(): Promise<void> {
    const { system, onUnreadable } = this.#options;
    while (!this.#stop.signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#saveSoon = resolve;
      if (this.#unsaved.size === 0) await promise;
      await sleep(system.clock, SAVE_AFTER_MS, this.#stop.signal);
      if (this.#stop.signal.aborted) break;
      await this.#save().catch((error) => onUnreadable?.('all', messageOf(error)));
    }
  }

  async #save(): Promise<void> {
    const places = [...this.#unsaved];
    if (places.length === 0) return;
    await this.#options.db.maintain(async (tx) => {
      for (const [name, place] of places) await saveCursor(tx.db, name, place);
    });
    for (const [name, place] of places) if (this.#unsaved.get(name) === place) this.#unsaved.delete(name);
  }

  /** A promise of the next commit or the next poll. It is armed before events are read, so that none is missed. */
  #armWake(consumer: Consumer): { readonly promise: Promise<void>; disarm(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.system.clock.after(this.#options.pollMs ?? 1_000, resolve);
    this.#wakers.set(consumer, resolve);
    return {
      promise,
      disarm: () => {
        cancel();
        this.#wakers.delete(consumer);
      },
    };
  }

  #wake(): void {
    for (const waker of [...this.#wakers.values()]) waker();
  }

  /** Wakes those who want any of what was committed; for the others that wait, it is passed over here. */
  #published(events: readonly PlatformEvent[]): void {
    this.#reads.clear();
    const before = (events[0]?.seq ?? 0) - 1;
    const isNext = this.#recent.at(-1)?.seq === before;
    this.#recent = [...(isNext ? this.#recent : []), ...events].slice(-BATCH);
    for (const [consumer, waker] of [...this.#wakers]) {
      const { name, types } = consumer;
      const isAtEnd = this.#idle.has(consumer) && this.#places.get(name) === before;
      if (!isAtEnd || events.some(({ type }) => types.includes(type))) waker();
      else this.#passOver(name, before + events.length);
    }
  }

  #passOver(name: string, place: number): void {
    this.#places.set(name, place);
    this.#unsaved.set(name, place);
    this.#saveSoon();
    this.#tellIdlers();
  }

  #tellIdlers(): void {
    for (const idler of [...this.#idlers]) idler();
  }
}
