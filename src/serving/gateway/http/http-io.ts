import type { IncomingMessage, ServerResponse } from 'node:http';
import { KedgeError } from '#core/errors';
import { gatewayErrors, retryAfterS } from '../errors.ts';
import type { LiveEndpoint } from '../live-endpoint.ts';
import type { Caller } from '../protection/access/caller.ts';

/** A request that was let in, and its answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Undefined where nobody has to say who they are. */
  readonly caller: Caller | undefined;
}

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

/**
 * Reads a body and hands it to `done`; past the limit it is refused with `gateway/too-large` and the connection is
 * closed, because the rest of the body is still on its way. Callbacks, not promises: a body that came with its head is
 * parsed in the same turn.
 */
export function readBody(
  request: IncomingMessage,
  { bytesMax, budget }: BodyLimits,
  { done, fail }: { readonly done: (body: Buffer) => void; readonly fail: (error: Error) => void },
): void {
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
      refuse(gatewayErrors['too-large'](`the body is larger than ${bytesMax} bytes`));
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
    done(body);
  });
  // An aborted request has nobody to answer.
  request.on('error', () => undefined);
}

/** Parses JSON. Throws `gateway/invalid-request`. */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    const message = error instanceof Error ? error.message : 'not JSON';
    throw gatewayErrors['invalid-request'](`body: is not JSON: ${message.slice(0, 200)}`);
  }
}

export function sendJson(response: ServerResponse, status: number, text: string, type = 'application/json'): void {
  response.writeHead(status, ['Content-Type', type, 'Content-Length', String(Buffer.byteLength(text))]);
  response.end(text);
}

/** Answers an error as an RFC 9457 problem, as the control plane does. */
export function sendProblem(response: ServerResponse, thrown: unknown): void {
  const error = expected(thrown);
  const { code, status, title, message, fields } = error;
  setErrorHeaders(response, error);
  const problem = {
    type: `https://kedge.dev/errors/${code}`,
    title,
    status,
    detail: message,
    code,
    ...(fields.length > 0 ? { fields } : {}),
  };
  sendJson(response, status, JSON.stringify(problem), 'application/problem+json');
}

/** Says with the answer that an endpoint is on its way out. */
export function setLifecycleHeaders(response: ServerResponse, endpoint: LiveEndpoint | undefined): void {
  const { lifecycle } = endpoint?.protection ?? {};
  if (lifecycle) for (const [name, value] of lifecycle.headers) response.setHeader(name, value);
}

/** What a client has to know of an error beside its text, in whatever protocol. */
export function setErrorHeaders(response: ServerResponse, error: KedgeError): void {
  // The rest of the body is still on its way.
  if (error.status === 413) response.setHeader('Connection', 'close');
  if (error.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
  const seconds = retryAfterS(error);
  if (seconds !== undefined) response.setHeader('Retry-After', String(seconds));
}

/** The expected failure, or `gateway/internal` without the text of what was thrown, which may hold anything. */
export function expected(thrown: unknown): KedgeError {
  return thrown instanceof KedgeError ? thrown : gatewayErrors.internal('an unexpected error occurred');
}
