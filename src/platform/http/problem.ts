import type { z } from 'zod';
import { defineErrors, KedgeError } from '#core/errors';
import type { Problem } from '#platform/contract';

export const httpErrors = defineErrors('http', {
  'invalid-input': { status: 400, title: 'The request does not fit the contract' },
  'not-found': { status: 404, title: 'There is nothing at this address' },
  'too-slow': { status: 408, title: 'The body comes too slowly' },
  'too-large': { status: 413, title: 'The body is larger than the limit' },
  'unsupported-media-type': { status: 415, title: 'The body is of a type that is not accepted here' },
  'cross-origin': { status: 403, title: 'Requests from other origins are refused' },
  internal: { status: 500, title: 'Kedge failed' },
});

/** The RFC 9457 body for anything that was thrown. What is not an expected failure is told without its text. */
export function problemOf(thrown: unknown, requestId: string): Problem {
  const error = expected(thrown, requestId);
  return {
    type: `https://kedge.dev/errors/${error.code}`,
    title: error.title,
    status: error.status,
    detail: error.message,
    code: error.code,
    instance: requestId,
    ...(error.fields.length > 0 ? { fields: error.fields } : {}),
  };
}

/** What was thrown as an expected failure; anything else becomes one that does not tell its text. */
export function expected(thrown: unknown, requestId: string): KedgeError {
  return thrown instanceof KedgeError ? thrown : unexpected(thrown, requestId);
}

/** The refusal of an input that does not fit its schema, one field each. `part` is params, query or body. */
export function invalidInput(part: string, error: z.ZodError): KedgeError {
  const fields = error.issues.slice(0, 20).map((issue) => ({
    path: [part, ...issue.path].join('.'),
    message: issue.message,
  }));
  return httpErrors['invalid-input'](`${fields[0]?.path}: ${fields[0]?.message}`, fields);
}

function unexpected(thrown: unknown, requestId: string): KedgeError {
  const { statusCode, message } = thrown as { statusCode?: number; message?: string };
  if (statusCode === 413) return httpErrors['too-large'](message ?? 'the body is too large');
  if (statusCode === 415) return httpErrors['unsupported-media-type'](message ?? 'unsupported media type');
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return httpErrors['invalid-input'](message ?? 'the request cannot be read');
  }
  return httpErrors.internal(`an unexpected error occurred; the log has it under request ${requestId}`);
}
