import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { errorCode } from '#core/errors';

export interface PostedAnswer {
  readonly status: number;
  readonly text: string;
}

/** Posts a body; rejects where there is no answer. */
export type PostBytes = (body: Uint8Array, signal: AbortSignal) => Promise<PostedAnswer>;

/** A server may close a connection that was kept at the moment in which it is used again. */
const CLOSED: ReadonlySet<string | undefined> = new Set(['ECONNRESET', 'EPIPE']);

/**
 * Posts to one address over connections that are kept. A body whose kept connection was closed meanwhile is sent once
 * more over another, so what is posted must do no harm when it comes twice.
 *
 * `fetch` would copy each body and make a stream of it and of the answer: a gateway under full load has a tenth less
 * throughput with it (`docs/benchmarks.md`).
 */
export function postingTo(url: string, headers: Readonly<Record<string, string>>): PostBytes {
  const isSecure = url.startsWith('https:');
  const agent = isSecure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  const open = isSecure ? httpsRequest : httpRequest;
  return async function post(body, signal) {
    const request = open(url, {
      ...{ method: 'POST', agent, signal },
      headers: { ...headers, 'content-length': String(body.length) },
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve).on('error', reject);
    });
    request.end(body);
    try {
      const response = await answered;
      return { status: response.statusCode ?? 0, text: await text(response) };
    } catch (error) {
      if (request.reusedSocket && CLOSED.has(errorCode(error)) && !signal.aborted) return post(body, signal);
      throw error;
    }
  };
}
