import type { Actor } from '#platform/db';
import { accessErrors } from './errors.ts';
import type { Level } from './levels.ts';

/** What each role may do. A permission is `<domain>:<verb>`; `*` stands for any. Everything else is refused. */
const ROLE_PERMISSIONS: Readonly<Record<string, readonly string[]>> = {
  admin: ['*:*'],
  editor: ['*:read', '*:write', 'serving:predict'],
  /** An application that asks gateways for predictions and does nothing else. */
  caller: ['serving:predict'],
  viewer: ['*:read'],
  /** Whoever checks what others made: reads, and decides about approvals, which are never of their own request. */
  approver: ['*:read', 'registry:approve'],
  /** A worker leases steps and reports on them, and does on behalf of a run what the run's steps need. */
  worker: ['*:read', 'work:lease', 'tracking:write', 'registry:write', 'datasets:write', 'serving:predict'],
  /** A gateway reads its routing table and who may call it, and ships what it recorded. */
  gateway: ['serving:read', 'serving:admit', 'serving:report', 'predictions:record'],
  system: ['*:*'],
};

/** The level that a role gives in the project `default`. `admin` and `system` have theirs in every project. */
const ROLE_LEVELS: Readonly<Record<string, Level>> = {
  admin: 'MANAGE',
  system: 'MANAGE',
  editor: 'EDIT',
  worker: 'EDIT',
  viewer: 'READ',
  approver: 'READ',
};

/** Domains whose objects belong to a project: there a level in the project counts, and not a permission. */
const PROJECT_DOMAINS: ReadonlySet<string> = new Set(['tracking', 'registry', 'artifacts']);

export function isProjectDomain(permission: string): boolean {
  return PROJECT_DOMAINS.has(permission.split(':')[0] ?? '');
}

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

/** The levels that the roles of an actor give in the project `default`. */
export function roleLevels(actor: Actor): Level[] {
  return actor.roles.flatMap((role) => (Object.hasOwn(ROLE_LEVELS, role) ? [ROLE_LEVELS[role] as Level] : []));
}

/** Administrators, and the platform itself, have every level in every project. */
export function isAdministrator(actor: Actor): boolean {
  return actor.roles.includes('admin') || actor.roles.includes('system');
}

/** Throws `access/forbidden` unless the actor holds the permission. */
export function requirePermission(actor: Actor, permission: string): void {
  if (!mayUse(actor, permission)) throw accessErrors.forbidden(`${actor.id} lacks the permission ${permission}`);
}
