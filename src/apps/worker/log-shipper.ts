import type { System } from '#core/system';
import { LOG_BATCH_LINES_MAX, LOG_LINES_MAX } from '#pipelines/contract';
import { deliver, isRefusal } from './deliver.ts';

export interface ShippedLine {
  readonly seq: number;
  readonly at: number;
  readonly stream: 'stdout' | 'stderr' | 'worker';
  readonly text: string;
}

/** Lines that wait in memory while the control plane does not answer. */
const WAITING_MAX = 10_000;
const BATCH_CHARACTERS = 1_000_000;
/** How long the first line of a batch waits for others. */
const LINGER_MS = 200;
/** The last lines of a log are kept for what the worker itself has to say. */
const RESERVED_LINES = 10;

interface LogShipperOptions {
  readonly system: System;
  readonly hurry: AbortSignal;
  readonly send: (lines: ShippedLine[], signal: AbortSignal) => Promise<unknown>;
}

/** Sends the log of one attempt in batches, in order, each line once. Nothing runs while there is nothing to send. */
export class LogShipper {
  readonly #options: LogShipperOptions;
  readonly #waiting: ShippedLine[] = [];
  #seq = 0;
  #dropped = 0;
  #refused = false;
  #sending: Promise<void> | undefined;
  #cancelLinger: (() => void) | undefined;

  constructor(options: LogShipperOptions) {
    this.#options = options;
  }

  push(stream: ShippedLine['stream'], text: string): void {
    if (this.#refused) return;
    const room = stream === 'worker' ? 0 : RESERVED_LINES;
    if (this.#waiting.length >= WAITING_MAX || this.#seq >= LOG_LINES_MAX - room) {
      this.#dropped++;
      return;
    }
    const { clock } = this.#options.system;
    this.#waiting.push({ seq: ++this.#seq, at: clock.now(), stream, text });
    if (this.#sending || this.#cancelLinger) return;
    this.#cancelLinger = clock.after(LINGER_MS, () => {
      this.#cancelLinger = undefined;
      this.#sending = this.#sendAll();
    });
  }

  /** Sends what waits. Resolves when it is sent, or when the control plane refused it. */
  async close(): Promise<void> {
    if (this.#dropped > 0) {
      const text = `${this.#dropped} lines of output are missing here: the limit is ${LOG_LINES_MAX} lines`;
      this.#waiting.push({ seq: ++this.#seq, at: this.#options.system.clock.now(), stream: 'worker', text });
      this.#dropped = 0;
    }
    this.#cancelLinger?.();
    this.#cancelLinger = undefined;
    await this.#sending;
    await this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    const { system, hurry, send } = this.#options;
    while (this.#waiting.length > 0 && !this.#refused) {
      const batch = this.#nextBatch();
      try {
        await deliver(system, hurry, (signal) => send(batch, signal));
        this.#waiting.splice(0, batch.length);
      } catch (error) {
        // The attempt is stale, or the worker ends while nobody answers: the rest of the log is lost with the attempt.
        this.#refused = isRefusal(error) || hurry.aborted;
      }
    }
    this.#sending = undefined;
  }

  #nextBatch(): ShippedLine[] {
    let characters = 0;
    let count = 0;
    for (const line of this.#waiting.slice(0, LOG_BATCH_LINES_MAX)) {
      characters += line.text.length;
      if (count > 0 && characters > BATCH_CHARACTERS) break;
      count++;
    }
    return this.#waiting.slice(0, count);
  }
}
