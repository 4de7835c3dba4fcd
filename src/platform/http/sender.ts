import type { FastifyRequest } from 'fastify';
import { type Authenticator, accessErrors } from '#platform/access';
import type { Actor, Context } from '#platform/db';
import { httpErrors } from './problem.ts';

/** What a handler knows of its request. It is the {@link Context} of the transactions that it runs. */
export interface RequestContext extends Context {
  readonly actor: Actor;
  readonly requestId: string;
}

/** The actor of a request, from its bearer token or from where it comes. Throws `access/unauthenticated`. */
export function whoSends(request: FastifyRequest, authenticator: Authenticator): Actor {
  const header = request.headers.authorization;
  const token = header === undefined ? undefined : (/^Bearer +(.+)$/i.exec(header)?.[1] ?? '');
  const actor = authenticator.authenticate({ token, loopback: isLoopback(request.socket.remoteAddress ?? '') });
  if (!actor) throw accessErrors.unauthenticated('send a valid token as: Authorization: Bearer <token>');
  return actor;
}

/**
 * A web page of another origin can make a browser send requests to a server on the same machine, and a name that
 * resolves to loopback can make them look local. Both carry an Origin or Host that is not ours.
 */
export function refuseForeignOrigin(request: FastifyRequest): void {
  const host = request.headers.host ?? '';
  const origin = request.headers.origin;
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    throw httpErrors['cross-origin'](`requests from ${origin} are refused`);
  }
  const name = host.replace(/:\d+$/, '');
  const local = isLoopback(request.socket.localAddress ?? '');
  if (local && !['127.0.0.1', 'localhost', '[::1]'].includes(name)) {
    throw httpErrors['cross-origin'](`this server is reached as 127.0.0.1 or localhost, not as '${name}'`);
  }
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');
}
