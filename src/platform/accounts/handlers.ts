import { NO_GRANTS, objectAccess, type Sender } from '#platform/access';
import { cookieOf, exchangeOf, type RequestContext, type RouteGroup, routeGroup, SESSION_COOKIE } from '#platform/http';
import type { Callers } from './callers.ts';
import { accountsContract, sessionContract } from './contract.ts';
import { clearSessionCookie, setSessionCookie } from './cookies.ts';
import { accountErrors } from './errors.ts';
import type { Identities } from './identities.ts';
import type { Projects } from './projects.ts';
import type { Sessions } from './sessions.ts';
import type { Users } from './users.ts';

/** Who made an object, as the domain knows that keeps it; undefined when there is none such. */
export type OwnerOf = (project: string, object: string) => Promise<string | undefined>;

export interface HandlerDeps {
  readonly users: Users;
  readonly projects: Projects;
  readonly sessions: Sessions;
  readonly callers: Callers;
  readonly identities: Identities;
  readonly hasOidc: boolean;
  /** Cookies are sent over TLS only. */
  readonly secureCookies: boolean;
  readonly ownerOf?: OwnerOf | undefined;
}

export function accountHandlers({ users, projects, sessions, callers }: HandlerDeps): RouteGroup {
  return routeGroup(accountsContract, {
    listUsers: async ({ query }) => users.list(query),
    createUser: async ({ body }, ctx) => users.create(ctx, body),
    updateUser: async ({ params, body }, ctx) => users.update(ctx, params.user, body),
    listUserKeys: async ({ params }) => ({ items: await users.keys(params.user) }),
    createUserKey: async ({ params, body }, ctx) => users.createKey(ctx, params.user, body),
    revokeUserKey: async ({ params }, ctx) => users.revokeKey(ctx, params.user, params.key),
    createSignInLink: async (_input, ctx) => sessions.link(ctx, ctx.actor.id),
    pollCallers: async ({ query }) => callers.poll(query.after),
    createProject: async ({ body }, ctx) => projects.create(ctx, body),
    updateProject: async ({ params, body }, ctx) => projects.update(ctx, params.project, body),
  });
}

export function sessionHandlers(deps: HandlerDeps): RouteGroup {
  const { users, projects, sessions, identities, hasOidc, secureCookies } = deps;
  return routeGroup(sessionContract, {
    getSignInMethods: async () => ({ password: true, oidc: hasOidc, withoutCredentials: identities.allowsLocal }),
    signIn: async ({ body }, ctx) => {
      const { request, reply } = exchangeOf(ctx);
      const { token, actor, expiresAt } = await sessions.signIn(ctx.action, body, request.socket.remoteAddress ?? '');
      setSessionCookie(reply, token, secureCookies);
      return { actor, expiresAt };
    },
    getSession: async (_input, ctx) => {
      const sender = await senderOf(deps, ctx);
      return { actor: sender.actor.id, roles: [...sender.actor.roles], projects: await projects.list(sender) };
    },
    signOut: async (_input, ctx) => {
      const { request, reply } = exchangeOf(ctx);
      clearSessionCookie(reply);
      const token = cookieOf(request, SESSION_COOKIE);
      return { ended: token !== undefined && (await sessions.end(ctx, token)) };
    },
    changePassword: async ({ body }, ctx) => {
      const { request, reply } = exchangeOf(ctx);
      const name = ownName(ctx);
      const verified = await identities.verifyPassword(name, body.current, request.socket.remoteAddress ?? '');
      if (!verified) throw accountErrors['sign-in-refused']('this is not the current password');
      await users.update(ctx, name, { password: body.next });
      setSessionCookie(reply, (await sessions.begin('session.start', ctx.actor.id)).token, secureCookies);
      return { changed: true };
    },
    listOwnKeys: async (_input, ctx) => ({ items: await users.keys(ownName(ctx)) }),
    createOwnKey: async ({ body }, ctx) => users.createKey(ctx, ownName(ctx), body),
    revokeOwnKey: async ({ params }, ctx) => users.revokeKey(ctx, ownName(ctx), params.key),
    listProjects: async (_input, ctx) => ({ items: await projects.list(await senderOf(deps, ctx)) }),
    listGrants: async ({ params, query }, ctx) => {
      await requireManager(deps, ctx, { ...params, ...query });
      return { items: await projects.grants(params.project, query.object) };
    },
    putGrant: async ({ params, body }, ctx) => {
      await requireManager(deps, ctx, { ...params, ...body });
      return projects.grant(ctx, { ...params, principal: body.principal, object: body.object }, body.level);
    },
    deleteGrant: async ({ params, query }, ctx) => {
      await requireManager(deps, ctx, { ...params, ...query });
      return projects.withdraw(ctx, { ...params, ...query });
    },
  });
}

/** The sender of a request with all grants, also of other projects than the one that the request is in. */
async function senderOf({ identities }: HandlerDeps, { actor }: RequestContext): Promise<Sender> {
  return (await identities.senderOf(actor.id)) ?? { actor, grants: NO_GRANTS };
}

/** Whoever manages an object, or made it, says who else may do what with it. */
async function requireManager(
  deps: HandlerDeps,
  ctx: RequestContext,
  on: { readonly project: string; readonly object?: string | undefined },
): Promise<void> {
  const { actor, grants } = await senderOf(deps, ctx);
  const access = objectAccess(actor, on.project, grants);
  if (on.object === undefined) access.require(`project/${on.project}`, 'MANAGE');
  else access.require(on.object as `${string}/${string}`, 'MANAGE', await deps.ownerOf?.(on.project, on.object));
}

/** The platform's own actors have no account: their tokens are in the data directory. */
function ownName({ actor }: RequestContext): string {
  return actor.id.replace(/^user:/, '');
}
