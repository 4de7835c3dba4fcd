import type { Actor } from '#platform/db';
import { NO_GRANTS } from './levels.ts';
import type { Sender } from './object-access.ts';

/** What a request brings to say who sends it. At most one of token, password and session is looked at. */
export interface Presented {
  /** Of `Authorization: Bearer <token>`; empty when the header says something else. */
  readonly token?: string | undefined;
  /** Of `Authorization: Basic <…>`. */
  readonly basic?: { readonly user: string; readonly password: string } | undefined;
  /** Of the console's cookie. */
  readonly session?: string | undefined;
  readonly loopback: boolean;
  /** Where the request comes from: failures are counted by it. */
  readonly address?: string | undefined;
}

/** Finds out who sends a request. */
export interface Authenticator {
  /** `undefined` means that nobody known does. Answers without a promise when it need not look anything up. */
  authenticate(presented: Presented): Sender | undefined | Promise<Sender | undefined>;
  /** Whether there is a project of this name that can be worked in. */
  hasProject(name: string): boolean | Promise<boolean>;
}

/**
 * Tokens known at start. With `localRole`, a request from this machine without credentials acts as `user:local` with
 * that role: what a person at a laptop expects, and the reason why a server bound to another address must not set it.
 */
export function tokenAuthenticator(
  tokens: ReadonlyMap<string, Actor>,
  { localRole }: { readonly localRole?: string } = {},
): Authenticator {
  const senders = new Map([...tokens].map(([token, actor]) => [token, { actor, grants: NO_GRANTS }]));
  const local = localRole === undefined ? undefined : localSender(localRole);
  return {
    authenticate({ token, basic, session, loopback }) {
      if (token !== undefined) return senders.get(token);
      return basic === undefined && session === undefined && loopback ? local : undefined;
    },
    hasProject: () => true,
  };
}

/** Whoever sends from this machine without credentials, where that is allowed. */
export function localSender(role: string): Sender {
  return { actor: { id: 'user:local', roles: [role] }, grants: NO_GRANTS };
}
