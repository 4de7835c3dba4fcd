import type { FastifyRequest } from 'fastify';
import { cookieOf, type HttpServer } from '#platform/http';
import {
  clearPendingCookie,
  OIDC_COOKIE,
  OIDC_PATH,
  pendingOf,
  setPendingCookie,
  setSessionCookie,
} from './cookies.ts';
import { accountErrors } from './errors.ts';
import type { Oidc } from './oidc.ts';
import type { Sessions } from './sessions.ts';

export interface ServeOidcDeps {
  readonly oidc: Oidc | undefined;
  readonly sessions: Sessions;
  /** Under which browsers reach this server, such as `https://kedge.bank.example`; empty takes what they ask for. */
  readonly publicUrl: string;
}

/** The two addresses that a browser visits by itself when somebody signs in at an identity provider. */
export function serveOidc(server: HttpServer, { oidc, sessions, publicUrl }: ServeOidcDeps): void {
  const open = { config: { access: 'public' } };
  const secure = publicUrl.startsWith('https:');
  const originOf = (request: FastifyRequest) => publicUrl.replace(/\/$/, '') || `http://${request.headers.host ?? ''}`;
  const configured = (): Oidc => {
    if (!oidc) throw accountErrors['oidc-off']('no identity provider is configured: set KEDGE_OIDC_ISSUER');
    return oidc;
  };

  server.app.get(OIDC_PATH, open, async (request, reply) => {
    const { url, pending } = await configured().begin(`${originOf(request)}${OIDC_PATH}/callback`);
    setPendingCookie(reply, pending, secure);
    return reply.header('cache-control', 'no-store').redirect(url, 303);
  });

  server.app.get(`${OIDC_PATH}/callback`, open, async (request, reply) => {
    const provider = configured();
    const pending = pendingOf(cookieOf(request, OIDC_COOKIE));
    if (!pending) throw accountErrors['oidc-failed']('this sign-in was not begun here, or too long ago: begin again');
    clearPendingCookie(reply);
    const actor = await provider.finish(new URL(request.url, originOf(request)), pending);
    const { token } = await sessions.begin('session.start', actor);
    setSessionCookie(reply, token, secure);
    return reply.header('cache-control', 'no-store').redirect('/', 303);
  });
}
