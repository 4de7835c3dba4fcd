import { defineErrors } from '#core/errors';
import type { Actor } from '#platform/db';

export const accessErrors = defineErrors('access', {
  unauthenticated: { status: 401, title: 'A valid token is needed' },
  forbidden: { status: 403, title: 'This needs a permission that the caller does not have' },
});

/** What each role may do. A permission is `<domain>:<verb>`; `*` stands for any. Everything else is refused. */
const ROLE_PERMISSIONS: Readonly<Record<string, readonly string[]>> = {
  admin: ['*:*'],
  editor: ['*:read', '*:write'],
  viewer: ['*:read'],
  /** A worker leases steps and reports on them, and does on behalf of a run what the run's steps need. */
  worker: ['*:read', 'work:lease', 'tracking:write', 'registry:write', 'datasets:write'],
  /** A gateway reads its routing table and ships what it recorded. */
  gateway: ['serving:read', 'serving:report', 'predictions:record'],
  system: ['*:*'],
};

export function mayUse(actor: Actor, permission: string): boolean {
  const [domain, verb] = permission.split(':');
  return actor.roles.some((role) =>
    grantsOf(role).some((granted) => {
      const [grantedDomain, grantedVerb] = granted.split(':');
      return (grantedDomain === '*' || grantedDomain === domain) && (grantedVerb === '*' || grantedVerb === verb);
    }),
  );
}

/** What a role may do; nothing for a name that is no role, whatever objects have under that name. */
function grantsOf(role: string): readonly string[] {
  return Object.hasOwn(ROLE_PERMISSIONS, role) ? (ROLE_PERMISSIONS[role] ?? []) : [];
}

/** Throws `access/forbidden` unless the actor holds the permission. */
export function requirePermission(actor: Actor, permission: string): void {
  if (!mayUse(actor, permission)) throw accessErrors.forbidden(`${actor.id} lacks the permission ${permission}`);
}

/** Finds out who sends a request. `undefined` means that nobody known does. */
export interface Authenticator {
  authenticate(request: { readonly token: string | undefined; readonly loopback: boolean }): Actor | undefined;
}

/**
 * Tokens known at start. With `localRole`, a request from this machine without a token acts as `user:local` with that
 * role: what a person at a laptop expects, and the reason why a server bound to another address must not set it.
 */
export function tokenAuthenticator(
  tokens: ReadonlyMap<string, Actor>,
  { localRole }: { readonly localRole?: string } = {},
): Authenticator {
  return {
    authenticate({ token, loopback }) {
      if (token !== undefined) return tokens.get(token);
      return localRole !== undefined && loopback ? { id: 'user:local', roles: [localRole] } : undefined;
    },
  };
}
