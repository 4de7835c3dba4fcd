import type { Clock } from '#core/clock';
import type { Database } from '#platform/db';
import { lastEventSeq } from '#platform/events';
import type { HttpServer } from '#platform/http';
import { LIVE_PATH } from './contract.ts';
import { LiveStream } from './live-stream.ts';

const CLIENTS_MAX = 200;

interface LiveDeps {
  readonly db: Database;
  readonly clock: Clock;
}

/**
 * Serves committed events as server-sent events. A client that comes back with `Last-Event-ID` misses none. Events wait
 * in the database until the client has read what was sent before; one that reads nothing for half a minute is cut off.
 * Returns the function that ends all streams.
 */
export function serveLive(server: HttpServer, deps: LiveDeps): () => void {
  const streams = new Set<LiveStream>();
  server.app.get(LIVE_PATH, { config: { access: 'activity:read' } }, async (request, reply) => {
    if (streams.size >= CLIENTS_MAX) return reply.status(503).header('retry-after', '5').send();
    const lastId = String(request.headers['last-event-id'] ?? '');
    const after = /^\d{1,15}$/.test(lastId) ? Number(lastId) : await lastEventSeq(deps.db.reader);
    const stream = new LiveStream(reply.hijack().raw, after, deps);
    streams.add(stream);
    stream.start(() => streams.delete(stream));
  });
  return () => {
    for (const stream of streams) stream.end();
  };
}
