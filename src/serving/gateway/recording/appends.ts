import type { Clock } from '#core/clock';
import { APPEND_RECORDS_MAX, type SyncEventLog } from '#ports/event-log';
import { EntryEncoder } from './entry-codec.ts';

/** Past this an append is made, so that none grows with what one turn has to record. */
const APPEND_BYTES = 256 * 1024;
/** What may wait in memory for a disk that does not take it. */
const MEMORY_BYTES_MAX = 16 * 1024 * 1024;
/** Encoders that are kept for the next appends; one has half a mebibyte. */
const SPARE_MAX = 2;

/** How entries come into the log. */
export interface Appends {
  /** What the next entry is added to. {@link added} is called after each. */
  readonly encoder: EntryEncoder;
  /** Nothing more is to be added: the disk does not take it, and memory is bounded. */
  readonly isFull: boolean;
  added(): void;
  /** A turn has added what it had. */
  turnEnds(): void;
  /** Resolves when all that was added is in the log, or was told as failed. */
  flush(): Promise<void>;
}

export interface AppendsOptions {
  readonly log: SyncEventLog;
  readonly onAppended: (entries: number) => void;
  readonly onFailed: (entries: number, error: unknown) => void;
}

function isLarge({ bytes, records }: EntryEncoder): boolean {
  return bytes > APPEND_BYTES || records === APPEND_RECORDS_MAX;
}

/** What a turn has added is in the log when it ends, before anything of it is answered. */
export class AppendsAtOnce implements Appends {
  readonly #options: AppendsOptions;
  readonly encoder = new EntryEncoder();
  readonly isFull = false;

  constructor(options: AppendsOptions) {
    this.#options = options;
  }

  added(): void {
    if (isLarge(this.encoder)) this.turnEnds();
  }

  turnEnds(): void {
    const { log, onAppended, onFailed } = this.#options;
    const { entries, packed } = this.encoder;
    if (entries === 0) return;
    try {
      log.appendPackedSync(packed);
      onAppended(entries);
    } catch (error) {
      onFailed(entries, error);
    } finally {
      this.encoder.clear();
    }
  }

  async flush(): Promise<void> {
    this.turnEnds();
  }
}

/**
 * What the turns of a while have added is written together and on another thread: a disk that is slow, or stands still,
 * holds up no answer.
 */
export class AppendsLater implements Appends {
  readonly #options: AppendsOptions & { readonly delayMs: number; readonly clock: Pick<Clock, 'after'> };
  #filling = new EntryEncoder();
  /** Each is one append, the oldest first; that one is being written. */
  readonly #full: EntryEncoder[] = [];
  readonly #spare: EntryEncoder[] = [];
  #fullBytes = 0;
  #cancelDelay: (() => void) | undefined;
  #isDue = false;
  #writing: Promise<void> | undefined;

  constructor(options: AppendsOptions & { readonly delayMs: number; readonly clock: Pick<Clock, 'after'> }) {
    this.#options = options;
  }

  get encoder(): EntryEncoder {
    return this.#filling;
  }

  get isFull(): boolean {
    return this.#fullBytes + this.#filling.bytes > MEMORY_BYTES_MAX;
  }

  added(): void {
    if (!isLarge(this.#filling)) return;
    this.#turnIn();
    this.#write();
  }

  turnEnds(): void {
    if (this.#filling.entries === 0) return;
    const { clock, delayMs } = this.#options;
    this.#cancelDelay ??= clock.after(delayMs, () => {
      this.#cancelDelay = undefined;
      this.#isDue = true;
      this.#write();
    });
  }

  async flush(): Promise<void> {
    this.#isDue = true;
    this.#write();
    await this.#writing;
  }

  #write(): void {
    if (this.#writing) return;
    const first = this.#next();
    if (first) this.#writing = this.#writeFrom(first);
  }

  async #writeFrom(first: EntryEncoder): Promise<void> {
    const { log, onAppended, onFailed } = this.#options;
    for (let next: EntryEncoder | undefined = first; next; next = this.#next()) {
      const { entries, packed, bytes } = next;
      try {
        await log.appendPacked(packed);
        onAppended(entries);
      } catch (error) {
        onFailed(entries, error);
      }
      this.#full.shift();
      this.#fullBytes -= bytes;
      next.clear();
      if (this.#spare.length < SPARE_MAX) this.#spare.push(next);
    }
    this.#writing = undefined;
  }

  /** What is to be written now. More is gathered as long as the append before takes. */
  #next(): EntryEncoder | undefined {
    if (this.#full.length === 0 && this.#isDue) this.#turnIn();
    return this.#full[0];
  }

  #turnIn(): void {
    this.#isDue = false;
    this.#cancelDelay?.();
    this.#cancelDelay = undefined;
    if (this.#filling.entries === 0) return;
    this.#full.push(this.#filling);
    this.#fullBytes += this.#filling.bytes;
    this.#filling = this.#spare.pop() ?? new EntryEncoder();
  }
}
