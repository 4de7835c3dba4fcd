import type { System } from '#core/system';
import { LOG_BATCH_LINES_MAX, LOG_BYTES_MAX, LOG_LINES_MAX } from '#pipelines/contract';
import { deliver, isRefusal } from './deliver.ts';

export interface ShippedLine {
  readonly seq: number;
  readonly at: number;
  readonly stream: 'stdout' | 'stderr' | 'worker';
  readonly text: string;
}

export interface LogAmount {
  readonly lines: number;
  readonly bytes: number;
}

/** What a log keeps in all. */
const KEPT: LogAmount = { lines: LOG_LINES_MAX, bytes: LOG_BYTES_MAX };
/** With so much in memory the command is held, where that is possible, until half of it is sent. */
const HELD_AT: LogAmount = { lines: 10_000, bytes: 4 * 1024 * 1024 };
const GOES_ON_AT: LogAmount = { lines: HELD_AT.lines / 2, bytes: HELD_AT.bytes / 2 };
/** What comes at so much is left out. What was in the pipes of a command that is held fits, also as empty lines. */
const WAITING_MAX: LogAmount = { lines: 300_000, bytes: 16 * 1024 * 1024 };
const BATCH_BYTES_MAX = 512 * 1024;
/** How long the first line of a batch waits for others. */
const LINGER_MS = 200;
/** A command is not held for longer while no line is taken: the step is worth more than its log. */
const HOLD_MS_MAX = 30_000;
/** The last lines of a log are kept for what the worker itself has to say. */
const RESERVED_LINES = 10;

interface LogShipperOptions {
  readonly system: System;
  readonly hurry: AbortSignal;
  readonly send: (lines: ShippedLine[], signal: AbortSignal) => Promise<unknown>;
  /** Has the command wait when it writes more, or lets it go on. */
  readonly hold?: (isHeld: boolean) => void;
  readonly kept?: LogAmount;
}

/** Sends the log of one attempt in batches, in order, each line once. Nothing runs while there is nothing to send. */
export class LogShipper {
  readonly #options: LogShipperOptions;
  readonly #kept: LogAmount;
  readonly #waiting: (ShippedLine & { readonly bytes: number })[] = [];
  #waitingBytes = 0;
  #seq = 0;
  #bytes = 0;
  #dropped = 0;
  #isFull = false;
  #refused = false;
  /** Nothing was taken for so long that the command is not held any more, until something is. */
  #isAway = false;
  #sending: Promise<void> | undefined;
  #cancelLinger: (() => void) | undefined;
  #cancelHold: (() => void) | undefined;

  constructor(options: LogShipperOptions) {
    this.#options = options;
    this.#kept = options.kept ?? KEPT;
  }

  push(stream: ShippedLine['stream'], text: string): void {
    if (this.#refused) return;
    if (stream !== 'worker' && !this.#hasRoom(text)) {
      this.#dropped++;
      return;
    }
    if (!this.#isFull) this.#tellDropped('the control plane took none for a while');
    if (this.#seq >= this.#kept.lines) return;
    this.#add(stream, text);
    if (this.#exceeds(HELD_AT) && !this.#cancelHold && !this.#isAway) this.#hold();
    if (this.#sending || this.#cancelLinger) return;
    this.#cancelLinger = this.#options.system.clock.after(LINGER_MS, () => {
      this.#cancelLinger = undefined;
      this.#sending = this.#sendAll();
    });
  }

  /** Sends what waits. Resolves when it is sent, or when the control plane refused it. */
  async close(): Promise<void> {
    const { lines, bytes } = this.#kept;
    this.#tellDropped(
      this.#isFull ? `the limit is ${lines} lines and ${bytes} bytes` : 'the control plane took none for a while',
    );
    this.#cancelLinger?.();
    this.#cancelLinger = undefined;
    await this.#sending;
    await this.#sendAll();
    this.#release();
  }

  /** Whether a line of the command is kept. The first one that is past the limits of the log is the end of it. */
  #hasRoom(text: string): boolean {
    const { lines, bytes } = this.#kept;
    this.#isFull ||= this.#seq >= lines - RESERVED_LINES || this.#bytes + Buffer.byteLength(text) > bytes;
    return !this.#isFull && !this.#exceeds(WAITING_MAX);
  }

  #exceeds({ lines, bytes }: LogAmount): boolean {
    return this.#waiting.length >= lines || this.#waitingBytes >= bytes;
  }

  #add(stream: ShippedLine['stream'], text: string): void {
    const bytes = Buffer.byteLength(text);
    this.#waiting.push({ seq: ++this.#seq, at: this.#options.system.clock.now(), stream, text, bytes });
    this.#waitingBytes += bytes;
    this.#bytes += bytes;
  }

  #tellDropped(why: string): void {
    if (this.#dropped === 0) return;
    this.#add('worker', `${this.#dropped} lines of output are missing here: ${why}`);
    this.#dropped = 0;
  }

  #hold(): void {
    this.#options.hold?.(true);
    this.#cancelHold = this.#afterHold();
  }

  /** Something was taken: whoever is held can wait for the rest. */
  #holdOn(): void {
    if (!this.#cancelHold) return;
    this.#cancelHold();
    this.#cancelHold = this.#afterHold();
  }

  #afterHold(): () => void {
    return this.#options.system.clock.after(HOLD_MS_MAX, () => {
      this.#isAway = true;
      this.#release();
    });
  }

  #release(): void {
    if (!this.#cancelHold) return;
    this.#cancelHold();
    this.#cancelHold = undefined;
    this.#options.hold?.(false);
  }

  async #sendAll(): Promise<void> {
    const { system, hurry, send } = this.#options;
    while (this.#waiting.length > 0 && !this.#refused) {
      const { lines, bytes } = this.#nextBatch();
      try {
        await deliver(system, hurry, (signal) => send(lines, signal));
        this.#waiting.splice(0, lines.length);
        this.#waitingBytes -= bytes;
        this.#isAway = false;
        if (this.#exceeds(GOES_ON_AT)) this.#holdOn();
        else this.#release();
      } catch (error) {
        // The attempt is stale, or the worker ends while nobody answers: the rest of the log is lost with the attempt.
        this.#refused = isRefusal(error) || hurry.aborted;
      }
    }
    if (this.#refused) this.#release();
    this.#sending = undefined;
  }

  #nextBatch(): { readonly lines: ShippedLine[]; readonly bytes: number } {
    const lines: ShippedLine[] = [];
    let total = 0;
    for (const { bytes, ...line } of this.#waiting) {
      if (lines.length === LOG_BATCH_LINES_MAX || (lines.length > 0 && total + bytes > BATCH_BYTES_MAX)) break;
      lines.push(line);
      total += bytes;
    }
    return { lines, bytes: total };
  }
}
