import { type IncomingHttpHeaders, STATUS_CODES } from 'node:http';
import { type BodyLimits, type BodyReader, type HttpRequest, type HttpResponse, tooLarge } from '../http-message.ts';
import type { DirectHead } from './read-head.ts';

/** A request whose head was read; its body may still be on its way. */
export class DirectRequest implements HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly #bodyBytes: number;
  #body: Buffer;
  /** The body lies in memory that will be used for something else. */
  #isBorrowed = true;
  #isRead = false;
  #isLeft = false;
  #reader: BodyReader | undefined;
  #release: (() => void) | undefined;

  /** `body` is what has come of it, in memory that is its own only after {@link keep}. */
  constructor({ method, url, headers, bodyBytes }: DirectHead, body: Buffer) {
    this.method = method;
    this.url = url;
    this.headers = headers;
    this.#bodyBytes = bodyBytes;
    this.#body = body;
  }

  readBody({ bytesMax, budget }: BodyLimits, reader: BodyReader): void {
    const bytes = this.#bodyBytes;
    if (this.#isLeft) return;
    if (bytes > bytesMax) {
      this.#isRead = true;
      reader.fail(tooLarge(bytesMax));
    } else if (this.#body.length === bytes) {
      this.#give(reader);
    } else {
      try {
        budget.take(bytes);
        this.#release = () => budget.give(bytes);
        this.#reader = reader;
      } catch (error) {
        this.#isRead = true;
        reader.fail(error as Error);
      }
    }
  }

  discardBody(): void {
    this.#isRead = true;
  }

  /** Copies what has come of the body, unless it was read already. */
  keep(): void {
    if (!this.#isRead && this.#body.length > 0) this.#body = Buffer.from(this.#body);
    this.#isBorrowed = false;
  }

  #give({ glance, done }: BodyReader): void {
    this.#isRead = true;
    const body = this.#body;
    if (!glance?.(body)) done(this.#isBorrowed ? Buffer.from(body) : body);
  }

  /** Takes more of the body. */
  receive(bytes: Buffer): void {
    if (this.#isRead) return;
    this.#body = Buffer.concat([this.#body, bytes]);
    const reader = this.#reader;
    if (!reader || this.#body.length < this.#bodyBytes) return;
    this.leave();
    this.#give(reader);
  }

  /** Waits for no more of the body. */
  leave(): void {
    this.#isLeft = true;
    this.#release?.();
    this.#release = undefined;
    this.#reader = undefined;
  }
}

/** Where an answer goes. */
export interface AnswerSink {
  /** The head of an answer but for its length, with what every answer has, or the last one of a connection. */
  headOf(status: number, headers: readonly string[], last: boolean): string;
  onGone(listener: () => void): void;
  write(answer: string | Buffer, encoding: BufferEncoding, last: boolean): void;
}

/** Up to this, bytes are joined to their head as a text of Latin-1, and past it as bytes: either way in one write. */
const JOINED_BYTES_MAX = 16_384;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

export class DirectResponse implements HttpResponse {
  readonly #sink: AnswerSink;
  #headers: Map<string, string> | undefined;
  #last = false;
  #isSent = false;

  constructor(sink: AnswerSink) {
    this.#sink = sink;
  }

  setHeader(name: string, value: string): void {
    this.#headers ??= new Map();
    this.#headers.set(name, value);
  }

  onGone(listener: () => void): void {
    if (!this.#isSent) this.#sink.onGone(listener);
  }

  endConnection(): void {
    this.#last = true;
  }

  send(status: number, headers: readonly string[], body: string | Buffer): void {
    if (this.#isSent) throw new Error('a request was answered twice');
    this.#isSent = true;
    const last = this.#last;
    let head = this.#sink.headOf(status, headers, last);
    if (this.#headers) for (const [name, value] of this.#headers) head += headerLine(name, value);
    if (typeof body === 'string') {
      const bytes = Buffer.byteLength(body);
      // Of a text without other characters each is one byte, which is the cheapest to write.
      const encoding = bytes === body.length ? 'latin1' : 'utf8';
      this.#sink.write(`${head}Content-Length: ${bytes}\r\n\r\n${body}`, encoding, last);
      return;
    }
    const whole = `${head}Content-Length: ${body.length}\r\n\r\n`;
    if (body.length <= JOINED_BYTES_MAX) this.#sink.write(whole + body.toString('latin1'), 'latin1', last);
    else this.#sink.write(Buffer.concat([Buffer.from(whole, 'latin1'), body]), 'latin1', last);
  }
}

/** The first lines of an answer. */
export function statusAndHeaders(status: number, headers: readonly string[]): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`;
  for (let i = 0; i < headers.length; i += 2) head += headerLine(headers[i] as string, headers[i + 1] as string);
  return head;
}

/** Throws for a value that would end its line early, as a bug could make it. */
function headerLine(name: string, value: string): string {
  if (HEADER_VALUE.test(value)) return `${name}: ${value}\r\n`;
  throw new Error(`the header ${name} of an answer has a character that no header may have`);
}
