import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '#core/clock';
import { httpErrors } from './problem.ts';

/** For how long what nobody wants any more is read on, and how much of it. */
const DRAIN_MS = 120_000;
const DRAIN_BYTES_MAX = 1_073_741_824;

/** The bytes of a body that was left on the wire. Throws `http/too-large` once they are more than `bytesMax`. */
export async function* boundedBytes(body: unknown, bytesMax: number): AsyncIterable<Uint8Array> {
  let total = 0;
  for await (const chunk of bytesOf(body)) {
    total += chunk.byteLength;
    if (total > bytesMax) throw httpErrors['too-large'](`the body is larger than ${bytesMax} bytes`);
    yield chunk;
  }
}

export interface DrainOptions {
  readonly clock: Clock;
  /** So many bytes are read on; the connection is cut after them. */
  readonly bytesMax?: number | undefined;
}

/**
 * Reads on the rest of a body that was refused. Most clients read no answer before they have sent all, so a connection
 * that is cut, or not read from, would tell them nothing, and they would try again for minutes. After 408 the
 * connection is cut all the same: what does not come is not waited for.
 */
export function drain(
  request: FastifyRequest,
  reply: FastifyReply,
  { clock, status, bytesMax = DRAIN_BYTES_MAX }: DrainOptions & { readonly status: number },
): void {
  const { raw } = request;
  if (raw.complete || raw.destroyed) return;
  if (status === 408) {
    reply.header('connection', 'close');
    reply.raw.once('finish', () => raw.destroy());
    return;
  }
  reply.removeHeader('connection');
  const { socket } = raw;
  let left = bytesMax;
  const count = (chunk: Uint8Array): void => {
    left -= chunk.byteLength;
    if (left < 0) socket.destroy();
  };
  // Whoever has the answer may leave with the body half sent. The request, which is answered, is not told of that.
  const end = (): void => {
    stopWaiting();
    raw.off('data', count).off('end', end);
    socket.off('close', end);
  };
  const stopWaiting = clock.after(DRAIN_MS, () => socket.destroy());
  raw.on('data', count).once('end', end);
  socket.once('close', end);
  raw.resume();
}

async function* bytesOf(body: unknown): AsyncIterable<Uint8Array> {
  if (body instanceof Readable) {
    // Whoever stops to read leaves the connection as it is, or no answer could be sent on it.
    yield* body.iterator({ destroyOnReturn: false });
    return;
  }
  if (body !== null && typeof body === 'object' && Symbol.asyncIterator in body) {
    yield* body as AsyncIterable<Uint8Array>;
  }
}
