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
   * before an event made it want, it gets. What it does not want costs no transaction.
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

/**
 * Delivers committed events to consumers. Each consumer has its own pace and its own cursor. Several relays over one
 * database do not disturb `handle`: each event moves the cursor of a consumer once, and only with it its writes.
 */
export class Relay {
  readonly #options: RelayOptions;
  readonly #stop = new AbortController();
  readonly #wakers = new Set<() => void>();
  readonly #idlers = new Set<() => void>();
  readonly #running: Promise<void>[] = [];
  readonly #busy = new Set<string>();
  #unsubscribe: () => void = () => {};

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  start(): void {
    this.#unsubscribe = this.#options.db.onPublished(() => this.#wake());
    for (const consumer of this.#options.consumers) this.#running.push(this.#run(consumer));
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#stop.abort();
    this.#wake();
    await Promise.all(this.#running);
  }

  /** Whether every consumer has handled everything that was committed before this call. */
  async caughtUp(): Promise<boolean> {
    const { db, consumers } = this.#options;
    const end = await lastSeq(db.reader);
    if (this.#busy.size > 0) return false;
    const cursors = await allCursors(db.reader);
    return this.#busy.size === 0 && consumers.every(({ name }) => (cursors.get(name) ?? 0) >= end);
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
      const wake = this.#armWake();
      let current: PlatformEvent | undefined;
      try {
        const delivered = await this.#deliverNext(consumer, (event) => {
          current = event;
        });
        failures = 0;
        if (!delivered) {
          for (const idler of [...this.#idlers]) idler();
          await wake.promise;
        }
      } catch (error) {
        if (current) onError(consumer.name, current, messageOf(error));
        else onUnreadable?.(consumer.name, messageOf(error));
        const delayMs = backoffMs(failures++, system.random, { capMs: RETRY_MS_MAX });
        await sleep(system.clock, delayMs, this.#stop.signal);
      } finally {
        wake.disarm();
      }
    }
  }

  /** Delivers one batch of what lies behind the consumer's cursor. Returns whether there was anything. */
  async #deliverNext(consumer: Consumer, onEvent: (event: PlatformEvent) => void): Promise<boolean> {
    const { db } = this.#options;
    const events = await eventsAfter(db.reader, await cursorOf(db.reader, consumer.name), BATCH);
    if (events.length === 0) return false;
    this.#busy.add(consumer.name);
    try {
      const types = (await consumer.wantedTypes?.(db.reader)) ?? consumer.types;
      // Events of other types only move the cursor, which is worth one write a batch, not one an event.
      let skippedTo = 0;
      for (const event of events) {
        if (this.#stop.signal.aborted) break;
        const wanted = types.includes(event.type);
        if (wanted) {
          onEvent(event);
          await this.#deliver(consumer, event);
        }
        skippedTo = wanted ? 0 : event.seq;
      }
      if (skippedTo > 0) await db.maintain((tx) => saveCursor(tx.db, consumer.name, skippedTo));
      return true;
    } finally {
      this.#busy.delete(consumer.name);
    }
  }

  async #deliver(consumer: Consumer, event: PlatformEvent): Promise<void> {
    const actor: Actor = { id: `system:${consumer.name}`, roles: ['system'] };
    await consumer.effect?.(event);
    await this.#options.db.react({ actor, action: consumer.action ?? consumer.name }, async (tx) => {
      // Another relay may have delivered it since this one read its cursor.
      if ((await cursorOf(tx.db, consumer.name)) >= event.seq) return;
      await consumer.handle?.(tx, event);
      await saveCursor(tx.db, consumer.name, event.seq);
    });
  }

  /** A promise of the next commit or the next poll. It is armed before events are read, so that none is missed. */
  #armWake(): { readonly promise: Promise<void>; disarm(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.system.clock.after(this.#options.pollMs ?? 1_000, resolve);
    this.#wakers.add(resolve);
    return {
      promise,
      disarm: () => {
        cancel();
        this.#wakers.delete(resolve);
      },
    };
  }

  #wake(): void {
    for (const waker of [...this.#wakers]) waker();
  }
}
