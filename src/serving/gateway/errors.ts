import { defineErrors, KedgeError } from '#core/errors';

export const gatewayErrors = defineErrors('gateway', {
  'invalid-request': { status: 400, title: 'The request cannot be scored' },
  unauthenticated: { status: 401, title: 'The gateway answers only whom it knows' },
  forbidden: { status: 403, title: 'The caller may not do this' },
  'foreign-origin': { status: 403, title: 'The request comes by way of another site' },
  'not-found': { status: 404, title: 'There is nothing at this address' },
  'unknown-endpoint': { status: 404, title: 'No such endpoint' },
  'unknown-model': { status: 404, title: 'No such model version' },
  'not-loaded': { status: 404, title: 'The model was unloaded' },
  'load-failed': { status: 400, title: 'The model cannot be loaded as asked' },
  'not-allowed': { status: 403, title: 'The gateway does not do this for clients' },
  unsupported: { status: 501, title: 'The gateway does not offer this part of the protocol' },
  'method-not-allowed': { status: 405, title: 'The address does not take this method' },
  gone: { status: 410, title: 'The endpoint was given up' },
  'too-large': { status: 413, title: 'The request is larger than the limit' },
  'unsupported-encoding': { status: 415, title: 'The body has an encoding that is not read here' },
  'rate-limited': { status: 429, title: 'More requests than the limit allows' },
  'limits-unavailable': { status: 503, title: 'The limits cannot be looked up' },
  'queue-full': { status: 503, title: 'Too many requests wait for the model' },
  'queue-timeout': { status: 503, title: 'The request waited too long for the model' },
  cancelled: { status: 499, title: 'The client left before it was answered' },
  overloaded: { status: 503, title: 'The endpoint has too many requests in work' },
  'circuit-open': { status: 503, title: 'The revision fails and is not asked for a while' },
  busy: { status: 503, title: 'The gateway has too many requests in work' },
  'access-unavailable': { status: 503, title: 'Credentials cannot be checked' },
  'model-unavailable': { status: 503, title: 'The model cannot be loaded' },
  'features-unavailable': { status: 503, title: 'The features of the request cannot be read' },
  'not-shipped': { status: 503, title: 'Recorded predictions cannot be sent now; they are kept' },
  timeout: { status: 504, title: 'The model did not answer in time' },
  'model-failed': { status: 500, title: 'The model failed' },
  internal: { status: 500, title: 'The gateway failed' },
});

const CANCELLED = 'gateway/cancelled';

/** A refusal that names the field at fault. */
export function invalidField(path: string, message: string): Error {
  return gatewayErrors['invalid-request'](`${path}: ${message}`, [{ path, message }]);
}

export function cancelled(): KedgeError {
  return gatewayErrors.cancelled('the client left before it was answered');
}

export function isCancellation(error: unknown): boolean {
  return error instanceof KedgeError && error.code === CANCELLED;
}

/** Says with a refusal when it is worth coming again. */
export function later(error: KedgeError, afterMs: number): KedgeError & { readonly retryAfterMs: number } {
  return Object.assign(error, { retryAfterMs: afterMs });
}

/** Whole seconds until a refused request may come again; a full gateway or a lost resource is tried again in one. */
export function retryAfterS(error: KedgeError): number | undefined {
  if ('retryAfterMs' in error && typeof error.retryAfterMs === 'number') {
    return Math.max(1, Math.ceil(error.retryAfterMs / 1_000));
  }
  return error.status === 503 ? 1 : undefined;
}
