import type { RequestWatch, WatchedRequest } from '../watch/request-watch.ts';
import type { HttpRequest, HttpResponse } from './http-message.ts';

/** What access logs of web servers say of a request whose client left before there was an answer. */
const CLIENT_LEFT = 499;

/**
 * Has `watch` told of a request over HTTP, and of its answer when that is sent, or when the client has left. Returns
 * what to answer to in place of `response`.
 */
export function watchRequest(watch: RequestWatch, request: HttpRequest, response: HttpResponse): HttpResponse {
  const { headers, url, method } = request;
  const query = url.indexOf('?');
  const watched = watch.beginFor(request, {
    ...{ protocol: 'http', method, path: query < 0 ? url : url.slice(0, query) },
    header(name) {
      const value = headers[name];
      return typeof value === 'string' ? value : value?.[0];
    },
  });
  response.onGone(() => watched.end({ status: CLIENT_LEFT, bytes: 0, aborted: true }));
  return new WatchedResponse(response, watched);
}

class WatchedResponse implements HttpResponse {
  readonly #response: HttpResponse;
  readonly #watched: WatchedRequest;

  constructor(response: HttpResponse, watched: WatchedRequest) {
    this.#response = response;
    this.#watched = watched;
  }

  setHeader(name: string, value: string): void {
    this.#response.setHeader(name, value);
  }

  send(status: number, headers: readonly string[], body: string | Buffer): void {
    this.#response.send(status, headers, body);
    this.#watched.end({ status, bytes: Buffer.byteLength(body) });
  }

  onGone(listener: () => void): void {
    this.#response.onGone(listener);
  }

  endConnection(): void {
    this.#response.endConnection();
  }
}
