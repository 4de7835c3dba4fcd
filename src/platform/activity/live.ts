import type { ServerResponse } from 'node:http';
import type { Clock } from '#core/clock';
import { type Authenticator, requirePermission } from '#platform/access';
import type { Database } from '#platform/db';
import { eventsAfter, lastEventSeq } from '#platform/events';
import { type HttpServer, whoSends } from '#platform/http';
import { LIVE_PATH } from './contract.ts';

const CLIENTS_MAX = 200;
const BATCH = 500;
const KEEP_ALIVE_MS = 15_000;
const UNREAD_BYTES_MAX = 4_194_304;

interface LiveDeps {
  readonly db: Database;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
}

/**
 * Serves committed events as server-sent events. A client that comes back with `Last-Event-ID` misses none; one that
 * reads too slowly is cut off and comes back by itself. Returns the function that ends all streams.
 */
export function serveLive(server: HttpServer, deps: LiveDeps): () => void {
  const streams = new Set<LiveStream>();
  server.app.get(LIVE_PATH, async (request, reply) => {
    requirePermission(whoSends(request, deps.authenticator), 'activity:read');
    if (streams.size >= CLIENTS_MAX) return reply.status(503).header('retry-after', '5').send();
    const lastId = Number(request.headers['last-event-id'] ?? Number.NaN);
    const after = Number.isInteger(lastId) && lastId >= 0 ? lastId : await lastEventSeq(deps.db.reader);
    const stream = new LiveStream(reply.hijack().raw, after, deps);
    streams.add(stream);
    stream.start(() => streams.delete(stream));
  });
  return () => {
    for (const stream of streams) stream.end();
  };
}

class LiveStream {
  readonly #out: ServerResponse;
  readonly #deps: LiveDeps;
  #after: number;
  #pushing = false;
  #more = false;
  #cancel: () => void = () => {};

  constructor(out: ServerResponse, after: number, deps: LiveDeps) {
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
    while (this.#more && !this.#out.destroyed) {
      this.#more = false;
      const events = await eventsAfter(this.#deps.db.reader, this.#after, BATCH);
      for (const event of events) {
        this.#after = event.seq;
        this.#out.write(`id: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`);
      }
      if (events.length === BATCH) this.#more = true;
      if (this.#out.writableLength > UNREAD_BYTES_MAX) this.#out.destroy();
    }
    this.#pushing = false;
  }

  /** A comment now and then, so that proxies and browsers do not take silence for a dead connection. */
  #keepAlive(): void {
    this.#cancel = this.#deps.clock.after(KEEP_ALIVE_MS, () => {
      this.#out.write(': \n\n');
      this.#keepAlive();
    });
  }
}
