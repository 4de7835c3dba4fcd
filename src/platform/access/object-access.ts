import type { Actor, Context } from '#platform/db';
import { accessErrors } from './errors.ts';
import { covers, DEFAULT_PROJECT, type Grants, highest, type Level, NO_GRANTS, type ObjectRef } from './levels.ts';
import { isAdministrator, isProjectDomain, requirePermission, roleLevels } from './roles.ts';

/** What one actor may do with the objects of one project. Asking costs a look into memory, never a query. */
export interface ObjectAccess {
  /** The project that the request is in. An object of another one is not there as far as this request goes. */
  readonly project: string;
  /** The level on the project as a whole; undefined for somebody who at most has single objects in it. */
  readonly projectLevel: Level | undefined;
  /** `owner` is the id of the actor who made the object: whoever may at least see their own object may manage it. */
  levelOn(object: ObjectRef, owner?: string): Level | undefined;
  /** Throws `access/not-found` for an object that the actor may not even see, else `access/forbidden`. */
  require(object: ObjectRef, level: Level, owner?: string): void;
  /** For what makes new objects or concerns all of them. Throws `access/forbidden`. */
  requireProject(level: Level): void;
  /** What a search may show of a kind: everything, or the objects of these ids. */
  visible(kind: string): 'all' | ReadonlySet<string>;
}

/** The context of a transaction with what its actor may do. The context of a request is one of these. */
export interface AccessContext extends Context {
  readonly project: string;
  readonly access: ObjectAccess;
}

/** What `actor` may do in `project`: the highest of what the roles, the project and the object give. */
export function objectAccess(actor: Actor, project: string, grants: Grants = NO_GRANTS): ObjectAccess {
  const granted = grants.get(project);
  const projectLevel = highest([
    granted?.level,
    ...(isAdministrator(actor) ? ['MANAGE' as const] : []),
    ...(project === DEFAULT_PROJECT ? roleLevels(actor) : []),
  ]);
  const levelOn = (object: ObjectRef, owner?: string): Level | undefined => {
    const level = highest([projectLevel, granted?.objects.get(object)]);
    return level !== undefined && owner === actor.id ? 'MANAGE' : level;
  };
  return {
    project,
    projectLevel,
    levelOn,
    require(object, level, owner) {
      const held = levelOn(object, owner);
      if (covers(held, level)) return;
      if (held === undefined) throw accessErrors['not-found'](`there is no ${object} in the project '${project}'`);
      throw accessErrors.forbidden(`${actor.id} holds ${held} on ${object}, and this needs ${level}`);
    },
    requireProject(level) {
      if (covers(projectLevel, level)) return;
      const held = projectLevel ?? 'nothing';
      throw accessErrors.forbidden(`${actor.id} holds ${held} on the project '${project}', and this needs ${level}`);
    },
    visible(kind) {
      if (projectLevel !== undefined) return 'all';
      const prefix = `${kind}/`;
      const objects = [...(granted?.objects.keys() ?? [])].filter((object) => object.startsWith(prefix));
      return new Set(objects.map((object) => object.slice(prefix.length)));
    },
  };
}

/** What the platform itself may do in a project, and a person whose request was decided upon elsewhere. */
export function fullAccess(project = DEFAULT_PROJECT): ObjectAccess {
  return objectAccess({ id: 'system:platform', roles: ['system'] }, project);
}

/** Whoever sends a request, with what was granted to them beside their roles. */
export interface Sender {
  readonly actor: Actor;
  readonly grants: Grants;
}

/** Throws `access/not-a-member` for a project in which the sender has nothing at all. Everybody is in `default`. */
export function requireMember({ actor, grants }: Sender, project: string): void {
  if (project === DEFAULT_PROJECT || isAdministrator(actor) || grants.has(project)) return;
  throw accessErrors['not-a-member'](`${actor.id} has no access to a project named '${project}'`);
}

const VERB_LEVELS: Readonly<Record<string, Level>> = { read: 'READ', use: 'USE', write: 'EDIT', manage: 'MANAGE' };

/** The level that stands for a permission in a project: READ for `…:read`, EDIT for `…:write`, and so on. */
export function levelFor(permission: string): Level | undefined {
  return VERB_LEVELS[permission.split(':')[1] ?? ''];
}

/**
 * Throws unless the sender may use a route at all. Where objects belong to projects, a level on the project of the
 * request decides; a route that asks for each object by itself also lets in whoever has only single objects there.
 * Everywhere else, and for verbs that stand for no level, the roles decide.
 */
export function requireRoute(
  { actor, grants }: Sender,
  route: { readonly permission: string; readonly decidesByObject: boolean; readonly access: ObjectAccess },
): void {
  const { permission, access } = route;
  const level = levelFor(permission);
  if (!isProjectDomain(permission) || level === undefined) {
    requirePermission(actor, permission);
    return;
  }
  if (covers(access.projectLevel, level)) return;
  if (route.decidesByObject && (grants.get(access.project)?.objects.size ?? 0) > 0) return;
  throw accessErrors.forbidden(
    `${actor.id} lacks the permission ${permission}: it needs ${level} on the project '${access.project}'`,
  );
}
