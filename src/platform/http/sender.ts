import type { FastifyReply, FastifyRequest } from 'fastify';
import { assert } from '#core/assert';
import {
  type AccessContext,
  type Authenticator,
  accessErrors,
  DEFAULT_PROJECT,
  objectAccess,
  requireMember,
  requireRoute,
  type Sender,
} from '#platform/access';
import { isLoopback, presentedBy } from './credentials.ts';
import { httpErrors } from './problem.ts';

/** What a handler knows of its request. It is the context of the transactions that it runs. */
export interface RequestContext extends AccessContext {
  readonly requestId: string;
}

/** Who sends a request and in which project, found once for each. */
interface Identified extends Pick<AccessContext, 'access' | 'project'> {
  readonly sender: Sender;
}

const NOBODY: Sender = { actor: { id: 'anonymous', roles: [] }, grants: new Map() };
const PROJECT_HEADER = 'x-mlflow-workspace';
const PROJECT_PATTERN = /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/;

const identified = new WeakMap<FastifyRequest, Identified>();

/**
 * Finds out who sends a request, before any of its body is read. Returns a promise only when something has to be looked
 * up. Errors: `access/unauthenticated`, `access/not-a-member`, `access/no-project`, `access/invalid-project`.
 */
export function identify(request: FastifyRequest, authenticator: Authenticator): void | Promise<void> {
  const sender = authenticator.authenticate(presentedBy(request));
  if (sender instanceof Promise) return sender.then((found) => enter(request, authenticator, found));
  return enter(request, authenticator, sender);
}

function enter(
  request: FastifyRequest,
  authenticator: Authenticator,
  sender: Sender | undefined,
): void | Promise<void> {
  if (!sender) {
    throw accessErrors.unauthenticated('send a valid token as: Authorization: Bearer <token>, or a user and password');
  }
  refuseForgery(request);
  const project = projectOf(request);
  requireMember(sender, project);
  const remember = (exists: boolean): void => {
    if (!exists) throw accessErrors['no-project'](`there is no project named '${project}'`);
    identified.set(request, { sender, project, access: objectAccess(sender.actor, project, sender.grants) });
  };
  const exists = project === DEFAULT_PROJECT || authenticator.hasProject(project);
  return exists instanceof Promise ? exists.then(remember) : remember(exists);
}

/** Refuses whoever may not use a route with this permission; see {@link requireRoute}. */
export function requireAllowed(
  request: FastifyRequest,
  route: { readonly permission: string; readonly decidesByObject: boolean },
): void {
  if (route.permission === 'public' || route.permission === 'signed-in') return;
  const { sender, access } = identityOf(request);
  requireRoute(sender, { ...route, access });
}

/** The context for the handler of a request; of nobody on a public route. */
export function contextOf(request: FastifyRequest, action: string): RequestContext {
  const { sender, access, project } = identified.get(request) ?? ANONYMOUS;
  return { actor: sender.actor, action, requestId: request.id, project, access };
}

const ANONYMOUS: Identified = {
  sender: NOBODY,
  project: DEFAULT_PROJECT,
  access: objectAccess(NOBODY.actor, DEFAULT_PROJECT),
};

function identityOf(request: FastifyRequest): Identified {
  const found = identified.get(request);
  assert(found !== undefined, 'the sender of a request is asked for on a route that everybody may use');
  return found;
}

/** The project that a request names in the header of MLflow's clients. */
function projectOf(request: FastifyRequest): string {
  const named = request.headers[PROJECT_HEADER];
  if (named === undefined || named === '' || named === DEFAULT_PROJECT) return DEFAULT_PROJECT;
  if (typeof named === 'string' && PROJECT_PATTERN.test(named)) return named;
  throw accessErrors['invalid-project'](
    'X-MLFLOW-WORKSPACE: expected 1 to 63 lower case letters, digits, - or _, with a letter or digit at both ends',
  );
}

/**
 * A cookie comes along with whatever a page makes the browser send, and pages of other ports on this machine count as
 * the same site. So what changes something must also say that a page of ours sent it, as every browser does by itself.
 */
function refuseForgery(request: FastifyRequest): void {
  if (request.method === 'GET' || request.method === 'HEAD') return;
  if (request.headers.authorization !== undefined || request.headers.cookie === undefined) return;
  const { origin } = request.headers;
  if (origin !== undefined || request.headers['sec-fetch-site'] === 'same-origin') return;
  throw httpErrors['cross-origin']('a change with a cookie needs the Origin header that browsers send');
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

/** Tells a client that credentials are wanted. Not `Basic`, at which browsers would open a window of their own. */
export function challenge(reply: FastifyReply): void {
  void reply.header('www-authenticate', 'Bearer realm="kedge"');
}
