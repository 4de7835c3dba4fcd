import type { IncomingHttpHeaders } from 'node:http';
import { gatewayErrors } from '../errors.ts';

/** The bytes of bodies that are on their way: many clients that send slowly must not fill the memory. */
export class BodyBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Takes bytes into account. Throws `gateway/busy` when there is no room for them. */
  take(bytes: number): void {
    if (this.#bytes + bytes > this.#bytesMax) {
      throw gatewayErrors.busy(`bodies of ${this.#bytesMax} bytes are on their way, which is the limit`);
    }
    this.#bytes += bytes;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

export interface BodyLimits {
  readonly bytesMax: number;
  /** Of all bodies together. */
  readonly budget: BodyBudget;
}

/** `done` or `fail` is called, unless the client leaves before its body has come, or a glance at it was enough. */
export interface BodyReader {
  /**
   * Reads a body where it lies, before it would be given to `done`, and tells whether nothing more is wanted of it. The
   * bytes are others when it has returned.
   */
  readonly glance?: (body: Buffer) => boolean;
  readonly done: (body: Buffer) => void;
  readonly fail: (error: Error) => void;
}

/** A request as handlers see it, whoever read it from its connection. */
export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /**
   * Callbacks, not promises: a body that came with its head is parsed in the same turn. Past its limit it is refused
   * with `gateway/too-large`, and past that of all bodies with `gateway/busy`.
   */
  readBody(limits: BodyLimits, reader: BodyReader): void;
  /** Does without the body. */
  discardBody(): void;
}

/** What a request is answered with: once, and whole. */
export interface HttpResponse {
  /** Adds a header to the answer, in place of one of this name. */
  setHeader(name: string, value: string): void;
  /** Answers with these headers, names and values in turn, and those that were set; adds the length of the body. */
  send(status: number, headers: readonly string[], body: string | Buffer): void;
  /** Calls `listener` when the client leaves before it was answered, at once if it has left. */
  onGone(listener: () => void): void;
  /** Ends the connection with the answer. */
  endConnection(): void;
}

export function tooLarge(bytesMax: number): Error {
  return gatewayErrors['too-large'](`the body is larger than ${bytesMax} bytes`);
}
