import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '#core/clock';
import { httpErrors } from './problem.ts';

/** How long a body may stand still unless told. */
const BODY_STALL_MS = 30_000;
/** So much of a body has to arrive within that time, or its end: one byte now and then is standing still as well. */
const BYTES_MIN = 1_024;
/** Bodies are looked at so often within that time. */
const LOOKS = 4;

interface Watched {
  readonly reply: FastifyReply;
  /** What had been read from the connection when the time began to run. */
  bytes: number;
  since: number;
}

export interface SlowBodyOptions {
  readonly clock: Clock;
  /** Milliseconds. */
  readonly stallMs?: number | undefined;
}

/**
 * Answers 408 to requests whose bodies come too slowly, and closes their connections: who opens many and sends next to
 * nothing would otherwise hold them for as long as they like. A body may be as large as its route allows and take as
 * long as that needs; the time counts only while nothing that arrived waits for the server itself.
 */
export function refuseSlowBodies(
  app: FastifyInstance,
  { clock, stallMs = BODY_STALL_MS }: SlowBodyOptions,
): () => void {
  const open = new Map<IncomingMessage, Watched>();
  let cancel: (() => void) | undefined;
  const look = (): void => {
    cancel = undefined;
    for (const [raw, watched] of open) {
      if (raw.complete || raw.destroyed || watched.reply.sent) open.delete(raw);
      else if (isSlow(raw, watched, { now: clock.monotonic(), stallMs })) {
        open.delete(raw);
        void watched.reply.send(
          httpErrors['too-slow'](`less than ${BYTES_MIN} bytes of the body came in ${stallMs} ms`),
        );
      }
    }
    if (open.size > 0) cancel = clock.after(stallMs / LOOKS, look);
  };
  app.addHook('preParsing', (request: FastifyRequest, reply: FastifyReply, payload, done) => {
    const { raw } = request;
    if (hasBody(raw)) {
      open.set(raw, { reply, bytes: raw.socket.bytesRead, since: clock.monotonic() });
      cancel ??= clock.after(stallMs / LOOKS, look);
    }
    done(null, payload);
  });
  app.addHook('onResponse', (request, _reply, done) => {
    open.delete(request.raw);
    if (open.size === 0) {
      cancel?.();
      cancel = undefined;
    }
    done();
  });
  return () => cancel?.();
}

function isSlow(raw: IncomingMessage, watched: Watched, { now, stallMs }: { now: number; stallMs: number }): boolean {
  const { bytesRead } = raw.socket;
  // What is there and not taken yet is not for the sender to hurry.
  const moves = raw.readableLength > 0 || bytesRead - watched.bytes >= BYTES_MIN;
  if (moves) {
    watched.bytes = bytesRead;
    watched.since = now;
  }
  return !moves && now - watched.since >= stallMs;
}

function hasBody({ headers, complete }: IncomingMessage): boolean {
  return !complete && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0);
}
