import type { FastifyReply } from 'fastify';
import { messageOf } from '#core/errors';
import type { Logger } from '#platform/observe';

/** A body that its owner sends himself, so that he knows when he may use the memory of a piece again. */
export interface PushedBody {
  /** Hands over every piece. `take` resolves once the piece has left, and rejects when nobody reads any more. */
  pushTo(take: (piece: Uint8Array) => Promise<void>): Promise<void>;
}

export interface PushedReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: PushedBody;
}

/**
 * Sends a body at the pace of the reader. A failure before the first piece is answered as any other; after it the
 * connection is cut, so that the reader knows that something is missing.
 */
export async function sendPushed(
  reply: FastifyReply,
  { status, headers, body }: PushedReply,
  logger: Logger,
): Promise<FastifyReply> {
  const { raw, request } = reply;
  const begin = (): void => {
    if (raw.headersSent) return;
    reply.hijack();
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value);
    raw.writeHead(status, headers);
  };
  const gone = new Error('the connection was closed');
  let fail: (error: Error) => void = () => {};
  raw.once('close', () => fail(gone));
  const take = (piece: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      fail = reject;
      if (raw.destroyed) return reject(gone);
      begin();
      raw.write(piece, (error) => (error ? reject(error) : resolve()));
    });
  try {
    if (request.method !== 'HEAD') await body.pushTo(take);
    begin();
    raw.end();
  } catch (error) {
    if (!raw.headersSent && !raw.destroyed) throw error;
    if (!raw.destroyed) {
      logger.error({ err: error, requestId: request.id, url: request.url }, `a body broke off: ${messageOf(error)}`);
    }
    raw.destroy();
  }
  return reply;
}
