import type { Exchange } from '#platform/http';
import { SESSION_COOKIE } from '#platform/http';
import type { Pending } from './oidc.ts';
import { SESSION_MS } from './sessions.ts';

/** Where the provider sends the browser back to; the only path that its cookie is sent to. */
export const OIDC_PATH = '/api/v1/session/oidc';
export const OIDC_COOKIE = 'kedge_oidc';
const OIDC_COOKIE_S = 600;

export function setSessionCookie(reply: Exchange['reply'], token: string, secure: boolean): void {
  const attributes = `Path=/; HttpOnly; SameSite=Strict; Max-Age=${SESSION_MS / 1_000}${secure ? '; Secure' : ''}`;
  addCookie(reply, `${SESSION_COOKIE}=${token}; ${attributes}`);
}

export function clearSessionCookie(reply: Exchange['reply']): void {
  addCookie(reply, `${SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`);
}

/** `Lax`, as the browser comes back from another site. It says nothing that the browser may not know. */
export function setPendingCookie(reply: Exchange['reply'], { state, nonce, verifier }: Pending, secure: boolean): void {
  const attributes = `Path=${OIDC_PATH}; HttpOnly; SameSite=Lax; Max-Age=${OIDC_COOKIE_S}${secure ? '; Secure' : ''}`;
  addCookie(reply, `${OIDC_COOKIE}=${state}.${nonce}.${verifier}; ${attributes}`);
}

export function clearPendingCookie(reply: Exchange['reply']): void {
  addCookie(reply, `${OIDC_COOKIE}=; Path=${OIDC_PATH}; HttpOnly; SameSite=Lax; Max-Age=0`);
}

export function pendingOf(cookie: string | undefined): Pending | undefined {
  const match = /^([\w-]{20,200})\.([\w-]{20,200})\.([\w-]{20,200})$/.exec(cookie ?? '');
  const [, state, nonce, verifier] = match ?? [];
  return state && nonce && verifier ? { state, nonce, verifier } : undefined;
}

function addCookie(reply: Exchange['reply'], cookie: string): void {
  const before = reply.getHeader('set-cookie');
  void reply.header('set-cookie', [...(Array.isArray(before) ? before : []), cookie]);
}
