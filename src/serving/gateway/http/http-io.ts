import { KedgeError } from '#core/errors';
import { gatewayErrors, retryAfterS } from '../errors.ts';
import type { LiveEndpoint } from '../live-endpoint.ts';
import type { Caller } from '../protection/access/caller.ts';
import type { HttpRequest, HttpResponse } from './http-message.ts';

/** A request that was let in, and its answer. */
export interface Exchange {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  /** Undefined where nobody has to say who they are. */
  readonly caller: Caller | undefined;
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

/** The same each time, by which whoever writes answers knows their head again. */
export const JSON_HEADERS: readonly string[] = ['Content-Type', 'application/json'];

export function sendJson(response: HttpResponse, status: number, text: string, type?: string): void {
  response.send(status, type === undefined ? JSON_HEADERS : ['Content-Type', type], text);
}

/** Answers an error as an RFC 9457 problem, as the control plane does. */
export function sendProblem(response: HttpResponse, thrown: unknown): void {
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
export function setLifecycleHeaders(response: HttpResponse, endpoint: LiveEndpoint | undefined): void {
  const { lifecycle } = endpoint?.protection ?? {};
  if (lifecycle) for (const [name, value] of lifecycle.headers) response.setHeader(name, value);
}

/** What a client has to know of an error beside its text, in whatever protocol. */
export function setErrorHeaders(response: HttpResponse, error: KedgeError): void {
  // The rest of the body is still on its way.
  if (error.status === 413) response.endConnection();
  if (error.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
  const seconds = retryAfterS(error);
  if (seconds !== undefined) response.setHeader('Retry-After', String(seconds));
}

/** The expected failure, or `gateway/internal` without the text of what was thrown, which may hold anything. */
export function expected(thrown: unknown): KedgeError {
  return thrown instanceof KedgeError ? thrown : gatewayErrors.internal('an unexpected error occurred');
}
