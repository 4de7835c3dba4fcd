import type { IncomingMessage, ServerResponse } from 'node:http';
import { KedgeError } from '#core/errors';
import { gatewayErrors } from '../errors.ts';

/**
 * Reads a body and hands it to `done`; past `bytesMax` it is refused with `gateway/too-large` and the connection is
 * closed, because the rest of the body is still on its way. Callbacks, not promises: a body that came with its head is
 * parsed in the same turn.
 */
export function readBody(
  request: IncomingMessage,
  bytesMax: number,
  { done, fail }: { readonly done: (body: Buffer) => void; readonly fail: (error: Error) => void },
): void {
  let first: Buffer | undefined;
  let more: Buffer[] | undefined;
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      request.removeAllListeners('data').removeAllListeners('end');
      request.resume();
      fail(gatewayErrors['too-large'](`the body is larger than ${bytesMax} bytes`));
    } else if (!first) first = chunk;
    else {
      more ??= [first];
      more.push(chunk);
    }
  });
  request.on('end', () => done(more ? Buffer.concat(more) : (first ?? Buffer.alloc(0))));
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
  if (error.code === gatewayErrors['too-large'].code) response.setHeader('Connection', 'close');
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

/** The expected failure, or `gateway/internal` without the text of what was thrown, which may hold anything. */
export function expected(thrown: unknown): KedgeError {
  return thrown instanceof KedgeError ? thrown : gatewayErrors.internal('an unexpected error occurred');
}
