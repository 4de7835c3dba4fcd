import { backoffMs } from '#core/backoff';
import { sleep } from '#core/clock';
import { messageOf } from '#core/errors';
import type { System } from '#core/system';
import type { Actor, Database, Tx } from '#platform/db';
import { cursorOf, eventsAfter, lastSeq, type PlatformEvent, saveCursor } from './store.ts';

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
  /** Upper bound of the delay after which events of another process are noticed. */
  readonly pollMs?: number;
}

const BATCH = 200;

/** Delivers committed events to consumers. Each consumer has its own pace and its own cursor. */
export class Relay {
  readonly #options: RelayOptions;
  readonly #stop = new AbortController();
  readonly #wakers = new Set<() => void>();
  readonly #running: Promise<void>[] = [];
  readonly #busy = new Set<string>();

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.db.onPublished(() => this.#wake());
    for (const consumer of this.#options.consumers) this.#running.push(this.#run(consumer));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await Promise.all(this.#running);
  }

  /** Whether every consumer has handled everything that was committed before this call. */
  async caughtUp(): Promise<boolean> {
    const { db, consumers } = this.#options;
    const end = await lastSeq(db.reader);
    for (const consumer of consumers) {
      if (this.#busy.has(consumer.name) || (await cursorOf(db.reader, consumer.name)) < end) return false;
    }
    return true;
  }

  async #run(consumer: Consumer): Promise<void> {
    const { db, system, onError } = this.#options;
    let failures = 0;
    let current: PlatformEvent | undefined;
    let after = await cursorOf(db.reader, consumer.name);
    while (!this.#stop.signal.aborted) {
      const woken = this.#nextWake();
      const events = await eventsAfter(db.reader, after, BATCH);
      if (events.length === 0) {
        await woken;
        continue;
      }
      this.#busy.add(consumer.name);
      try {
        after = await this.#deliver(consumer, events, (event) => {
          current = event;
        });
        failures = 0;
      } catch (error) {
        after = await cursorOf(db.reader, consumer.name);
        onError(consumer.name, current ?? (events[0] as PlatformEvent), messageOf(error));
        await sleep(system.clock, backoffMs(failures++, system.random, { capMs: 10_000 }), this.#stop.signal);
      } finally {
        this.#busy.delete(consumer.name);
      }
    }
  }

  /** Delivers one batch and returns the sequence number that the cursor then stands at. */
  async #deliver(
    consumer: Consumer,
    events: readonly PlatformEvent[],
    onEvent: (event: PlatformEvent) => void,
  ): Promise<number> {
    const { db } = this.#options;
    const actor: Actor = { id: `system:${consumer.name}`, roles: ['system'] };
    let passed = 0;
    for (const event of events) {
      if (this.#stop.signal.aborted) break;
      if (!consumer.types.includes(event.type)) {
        passed = event.seq;
        continue;
      }
      onEvent(event);
      await consumer.effect?.(event);
      const move = async (tx: Tx): Promise<void> => {
        await consumer.handle?.(tx, event);
        await saveCursor(tx.db, consumer.name, event.seq);
      };
      await db.react({ actor, action: consumer.action ?? consumer.name }, move);
      passed = event.seq;
    }
    // Events of other types only move the cursor, which is worth one write a batch, not one an event.
    if (passed > 0) await db.maintain((tx) => saveCursor(tx.db, consumer.name, passed));
    return passed;
  }

  #nextWake(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        this.#wakers.delete(done);
        resolve();
      };
      const cancel = this.#options.system.clock.after(this.#options.pollMs ?? 1_000, done);
      this.#wakers.add(done);
    });
  }

  #wake(): void {
    for (const waker of [...this.#wakers]) waker();
  }
}
