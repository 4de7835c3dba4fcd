import type { ServerResponse } from 'node:http';
import type { Clock } from '#core/clock';
import type { Database } from '#platform/db';
import { eventsAfter } from '#platform/events';

const BATCH = 500;
const KEEP_ALIVE_MS = 15_000;
const STALLED_MS_MAX = 30_000;

/** Server-sent events to one client. */
export class LiveStream {
  readonly #out: ServerResponse;
  readonly #deps: StreamDeps;
  #after: number;
  #pushing = false;
  #more = false;
  #cancel: () => void = () => {};

  constructor(out: ServerResponse, after: number, deps: StreamDeps) {
    this.#out = out;
    this.#after = after;
    this.#deps = deps;
  }

  start(onEnd: () => void): void {
    this.#out.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    this.#out.write(': connected\n\n');
    const unsubscribe = this.#deps.db.onPublished(() => void this.#push());
    this.#out.on('close', () => {
      unsubscribe();
      this.#cancel();
      onEnd();
    });
    this.#keepAlive();
    void this.#push();
  }

  end(): void {
    this.#out.end();
  }

  /** Sends what was committed since the last event sent. Calls that come meanwhile are folded into one more round. */
  async #push(): Promise<void> {
    this.#more = true;
    if (this.#pushing) return;
    this.#pushing = true;
    try {
      while (this.#more && !this.#out.destroyed) await this.#sendBatch();
    } catch {
      // The events cannot be read just now. The client comes back with the last event that it has seen.
      this.#out.destroy();
    } finally {
      this.#pushing = false;
    }
  }

  async #sendBatch(): Promise<void> {
    this.#more = false;
    const events = await eventsAfter(this.#deps.db.reader, this.#after, BATCH);
    if (events.length === BATCH) this.#more = true;
    for (const event of events) {
      if (this.#out.destroyed) return;
      this.#out.write(`id: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`);
      this.#after = event.seq;
      if (this.#out.writableNeedDrain) await this.#drained();
    }
  }

  /** Waits until the client has read what was sent; cuts it off when it does not. */
  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#deps.clock.after(STALLED_MS_MAX, () => this.#out.destroy());
      const done = (): void => {
        cancel();
        this.#out.off('drain', done).off('close', done);
        resolve();
      };
      this.#out.on('drain', done).on('close', done);
    });
  }

  /** A comment now and then, so that proxies and browsers do not take silence for a dead connection. */
  #keepAlive(): void {
    this.#cancel = this.#deps.clock.after(KEEP_ALIVE_MS, () => {
      if (!this.#out.writableNeedDrain) this.#out.write(': \n\n');
      this.#keepAlive();
    });
  }
}

interface StreamDeps {
  readonly db: Database;
  readonly clock: Clock;
}
