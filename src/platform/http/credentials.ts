import type { FastifyRequest } from 'fastify';
import type { Presented } from '#platform/access';

/** The console's cookie. It is no secret of the page's scripts: the browser alone holds it. */
export const SESSION_COOKIE = 'kedge_session';

/** Of a header that says who sends. Longer ones are refused before they are hashed or decoded. */
const CREDENTIALS_LENGTH_MAX = 8_192;

/** What a request presents to say who sends it: a header comes before the cookie, the cookie before the machine. */
export function presentedBy(request: FastifyRequest): Presented {
  const from = { loopback: isLoopback(request.socket.remoteAddress ?? ''), address: request.socket.remoteAddress };
  const header = request.headers.authorization;
  if (header !== undefined) return { ...from, ...authorizationOf(header) };
  const session = cookieOf(request, SESSION_COOKIE);
  return session === undefined ? from : { ...from, session };
}

/** A header that is not understood presents a token that nobody has, so that it never counts as none. */
function authorizationOf(header: string): Pick<Presented, 'token' | 'basic'> {
  const match = header.length <= CREDENTIALS_LENGTH_MAX ? /^(Bearer|Basic) +(\S+) *$/i.exec(header) : null;
  const [, scheme = '', value = ''] = match ?? [];
  if (scheme.toLowerCase() !== 'basic') return { token: value };
  const text = Buffer.from(value, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return { token: '' };
  return { basic: { user: text.slice(0, colon), password: text.slice(colon + 1) } };
}

/** The value of a cookie; undefined when the request has none of this name. */
export function cookieOf(request: FastifyRequest, name: string): string | undefined {
  const header = request.headers.cookie;
  if (header === undefined || header.length > CREDENTIALS_LENGTH_MAX) return undefined;
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}

export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');
}
