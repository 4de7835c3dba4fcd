import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { type BodyLimits, type BodyReader, type HttpRequest, type HttpResponse, tooLarge } from './http-message.ts';

/** A request that node:http has read. */
export class NodeRequest implements HttpRequest {
  readonly #request: IncomingMessage;

  constructor(request: IncomingMessage) {
    this.#request = request;
  }

  get method(): string {
    return this.#request.method ?? '';
  }

  get url(): string {
    return this.#request.url ?? '/';
  }

  get headers(): IncomingHttpHeaders {
    return this.#request.headers;
  }

  discardBody(): void {
    this.#request.resume();
  }

  /** A body that is refused is still on its way: its connection has to end with the answer. */
  readBody({ bytesMax, budget }: BodyLimits, { glance, done, fail }: BodyReader): void {
    const request = this.#request;
    let first: Buffer | undefined;
    let more: Buffer[] | undefined;
    let bytes = 0;
    let taken = 0;
    const release = (): void => {
      budget.give(taken);
      taken = 0;
      more = undefined;
    };
    const refuse = (error: Error): void => {
      request.removeAllListeners('data').removeAllListeners('end');
      release();
      request.resume();
      fail(error);
    };
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bytesMax) {
        refuse(tooLarge(bytesMax));
      } else if (!first) first = chunk;
      else {
        // Most bodies come in one piece, and cost nothing here.
        if (!more) request.on('close', release);
        more ??= [first];
        more.push(chunk);
        try {
          budget.take(bytes - taken);
          taken = bytes;
        } catch (error) {
          refuse(error as Error);
        }
      }
    });
    request.on('end', () => {
      const body = more ? Buffer.concat(more) : (first ?? Buffer.alloc(0));
      release();
      if (!glance?.(body)) done(body);
    });
    // An aborted request has nobody to answer.
    request.on('error', () => undefined);
  }
}

/** Past this a second copy costs more than a second write. */
const TEXT_BYTES_MAX = 16_384;

export class NodeResponse implements HttpResponse {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  setHeader(name: string, value: string): void {
    this.#response.setHeader(name, value);
  }

  send(status: number, headers: readonly string[], body: string | Buffer): void {
    const response = this.#response;
    response.writeHead(status, [...headers, 'Content-Length', String(Buffer.byteLength(body))]);
    // With a text, and not with bytes, Node writes head and body at once. Each byte is one character of Latin-1.
    if (typeof body === 'string') response.end(body);
    else if (body.length <= TEXT_BYTES_MAX) response.end(body.toString('latin1'), 'latin1');
    else response.end(body);
  }

  onGone(listener: () => void): void {
    const response = this.#response;
    if (response.destroyed || response.socket?.destroyed) listener();
    else response.once('close', () => response.writableEnded || listener());
  }

  endConnection(): void {
    this.#response.shouldKeepAlive = false;
  }
}
