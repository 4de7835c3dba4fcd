import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '#core/clock';
import { httpErrors } from './problem.ts';

/** For how long what nobody wants any more is read on. */
const DRAIN_MS = 120_000;

/** The bytes of a body that was left on the wire. Throws `http/too-large` once they are more than `bytesMax`. */
export async function* boundedBytes(body: unknown, bytesMax: number): AsyncIterable<Uint8Array> {
  let total = 0;
  for await (const chunk of bytesOf(body)) {
    total += chunk.byteLength;
    if (total > bytesMax) throw httpErrors['too-large'](`the body is larger than ${bytesMax} bytes`);
    yield chunk;
  }
}

/**
 * Reads on the rest of a body that was refused. Most clients read no answer before they have sent all, so a connection
 * that is cut, or not read from, would tell them nothing, and they would try again for minutes. After 408 the
 * connection is cut all the same: what does not come is not waited for.
 */
export function drain(
  request: FastifyRequest,
  reply: FastifyReply,
  { clock, status }: { readonly clock: Clock; readonly status: number },
): void {
  const { raw } = request;
  if (raw.complete || raw.destroyed) return;
  if (status === 408) {
    reply.header('connection', 'close');
    reply.raw.once('finish', () => raw.destroy());
    return;
  }
  reply.removeHeader('connection');
  raw.resume();
  raw.once(
    'close',
    clock.after(DRAIN_MS, () => raw.destroy()),
  );
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
