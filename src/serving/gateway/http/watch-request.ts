import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RequestWatch } from '../watch/request-watch.ts';

/** What access logs of web servers say of a request whose client left before there was an answer. */
const CLIENT_LEFT = 499;

/** Has `watch` told of a request over HTTP, and of its answer when that has gone, or the client has. */
export function watchRequest(watch: RequestWatch, request: IncomingMessage, response: ServerResponse): void {
  const { headers, url = '/', method = '' } = request;
  const query = url.indexOf('?');
  const watched = watch.beginFor(request, {
    ...{ protocol: 'http', method, path: query < 0 ? url : url.slice(0, query) },
    header(name) {
      const value = headers[name];
      return typeof value === 'string' ? value : value?.[0];
    },
  });
  let bytes = 0;
  const { end } = response;
  // Every answer of a gateway is written by one `end` with all of its body.
  response.end = ((...given: unknown[]) => {
    const [body, encoding] = given;
    if (typeof body === 'string') bytes = Buffer.byteLength(body, encoding as BufferEncoding | undefined);
    else if (body instanceof Uint8Array) bytes = body.length;
    return Reflect.apply(end, response, given);
  }) as ServerResponse['end'];
  response.on('close', () => {
    const status = response.headersSent ? response.statusCode : CLIENT_LEFT;
    watched.end({ status, bytes, aborted: !response.writableFinished });
  });
}
