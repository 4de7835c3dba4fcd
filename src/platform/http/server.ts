import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type RouteOptions } from 'fastify';
import type { System } from '#core/system';
import { type Authenticator, type Level, levelFor, type ObjectRef } from '#platform/access';
import type { Contract, Handlers, ObjectInput, RouteSpec } from '#platform/contract';
import { type Logger, type Metrics, traced } from '#platform/observe';
import { boundedBytes, drain } from './body.ts';
import { rememberExchange } from './exchange.ts';
import { part } from './input.ts';
import { httpErrors, problemOf } from './problem.ts';
import { bindProtocols, type ProtocolGroup } from './protocol.ts';
import { challenge, contextOf, identify, type RequestContext, refuseForeignOrigin, requireAllowed } from './sender.ts';
import { refuseSlowBodies } from './slow-bodies.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The permission of a route. Only `public` lets in who is not known; nobody may use a route without one. */
    access?: string;
    /** The handler asks for the level on each object, or the contract says which object it is about. */
    decidesByObject?: boolean;
  }
}

/** The routes of one domain with their handlers, bound to a server by {@link openHttpServer}. */
export interface RouteGroup {
  readonly routes: Contract;
  readonly handlers: Readonly<Record<string, AnyHandler>>;
}

type AnyHandler = (input: never, ctx: RequestContext) => Promise<unknown>;

export function routeGroup<const Routes extends Contract>(
  routes: Routes,
  handlers: Handlers<Routes, RequestContext>,
): RouteGroup {
  return { routes, handlers: handlers as Readonly<Record<string, AnyHandler>> };
}

/** A route as it is served, whoever registered it. */
export interface ServedRoute {
  readonly method: string;
  readonly path: string;
  /** The permission that it needs. */
  readonly access: string | undefined;
}

export interface HttpServer {
  readonly app: FastifyInstance;
  /** Every route of the server. Those of protocols are there once it listens or is ready. */
  routes(): readonly ServedRoute[];
  listen(host: string, port: number): Promise<string>;
  close(): Promise<void>;
}

export interface HttpServerOptions {
  readonly groups: readonly RouteGroup[];
  /** Protocols that others defined, served beside the platform's own API. */
  readonly protocols?: readonly ProtocolGroup[];
  readonly authenticator: Authenticator;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** How long the body of a request may stand still, in milliseconds; 30 s unless told. */
  readonly bodyStallMs?: number;
  /** How much of a body is read on after it was refused; 1 GiB unless told. */
  readonly refusedBytesMax?: number;
}

/** Requests in work may finish within this time of a close; a client that waits for news is cut off after it. */
const CLOSE_GRACE_MS = 2_000;
const BODY_BYTES_MAX = 1_048_576;
const UPLOAD_BYTES_MAX = 1_073_741_824;
/** Of a path parameter as it is written in the path, where a character may take nine. */
const PARAM_LENGTH_MAX = 1_000;

/** A server for the platform's own API: every route closed unless its permission is held, every error a problem. */
export function openHttpServer(options: HttpServerOptions): HttpServer {
  const { system, logger, metrics } = options;
  const app = Fastify({
    bodyLimit: BODY_BYTES_MAX,
    genReqId: () => system.ids.next('req'),
    logger: false,
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX },
    frameworkErrors: answerError,
  });
  const requests = metrics.seconds('kedge_http_request_seconds', 'Duration of API requests.', ['route', 'status']);

  function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const problem = problemOf(error, request.id);
    if (problem.status === 401) challenge(reply);
    if (problem.status >= 500) logger.error({ err: error, requestId: request.id, url: request.url }, 'request failed');
    drain(request, reply, { clock: system.clock, status: problem.status, bytesMax: options.refusedBytesMax });
    void reply.status(problem.status).type('application/problem+json').send(problem);
  }
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request, reply) => {
    const problem = problemOf(httpErrors['not-found'](`${request.method} ${request.url}`), request.id);
    return reply.status(404).type('application/problem+json').send(problem);
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unmatched';
    requests.observe({ route, status: reply.statusCode }, reply.elapsedTime / 1_000);
  });
  const routes = listRoutes(app);
  guard(app, options.authenticator);
  acceptUploads(app);
  const stopLooking = refuseSlowBodies(app, { clock: system.clock, stallMs: options.bodyStallMs });

  for (const group of options.groups) bindGroup(app, group);
  bindProtocols(app, options.protocols ?? [], options);
  return {
    app,
    routes,
    async listen(host, port) {
      return app.listen({ host, port });
    },
    async close() {
      const closed = app.close();
      // Idle keep-alive connections would be waited for, and a client may keep one for minutes.
      app.server.closeIdleConnections();
      const cancel = system.clock.after(CLOSE_GRACE_MS, () => app.server.closeAllConnections());
      await closed;
      stopLooking();
      cancel();
    },
  };
}

function listRoutes(app: FastifyInstance): HttpServer['routes'] {
  const routes: RouteOptions[] = [];
  app.addHook('onRoute', (route) => {
    routes.push(route);
  });
  return () => routes.flatMap(servedRoutes);
}

function servedRoutes({ method, url, config }: RouteOptions): ServedRoute[] {
  return [method].flat().map((each) => ({ method: each, path: url, access: config?.access }));
}

/**
 * Nobody gets past this to a route that they may not use, whoever registered it, and before anything of a body is read
 * or parsed. What is not found is found out by the router, which has nothing to hide.
 */
function guard(app: FastifyInstance, authenticator: Authenticator): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const identifying = admit(request, authenticator);
    if (identifying instanceof Promise) identifying.then(done, done);
    else done(identifying);
  });
}

/** Why a request is refused, if it is. A promise, which then rejects, only when something has to be looked up. */
function admit(request: FastifyRequest, authenticator: Authenticator): Error | undefined | Promise<undefined> {
  const { access, decidesByObject = false } = request.routeOptions.config;
  const allow = (): undefined => {
    requireAllowed(request, { permission: access ?? 'administration:undeclared', decidesByObject });
    return refuseNul(request);
  };
  try {
    refuseForeignOrigin(request);
    if (access === 'public' || request.is404) return refuseNul(request);
    const identifying = identify(request, authenticator);
    return identifying ? identifying.then(allow) : allow();
  } catch (error) {
    return error as Error;
  }
}

/** Nothing is named with NUL, and not every database can even be asked for such a name. */
function refuseNul({ url }: FastifyRequest): undefined {
  if (url.split('?', 1)[0]?.includes('%00')) throw httpErrors['invalid-input']('the path has NUL (%00) in it');
}

function bindGroup(app: FastifyInstance, group: RouteGroup): void {
  for (const [name, spec] of Object.entries(group.routes)) {
    const handler = group.handlers[name];
    if (!handler) throw new Error(`the route ${name} has no handler`);
    bind(app, { name, spec, handler });
  }
}

interface Binding {
  readonly name: string;
  readonly spec: RouteSpec;
  readonly handler: AnyHandler;
}

function bind(app: FastifyInstance, { name, spec, handler }: Binding): void {
  const bodyLimit = spec.bodyBytesMax ?? (spec.upload ? UPLOAD_BYTES_MAX : BODY_BYTES_MAX);
  const decidesByObject = spec.object !== undefined || spec.checksObjects === true;
  app.route({
    method: spec.method,
    url: spec.path,
    bodyLimit,
    config: { access: spec.permission, decidesByObject },
    async handler(request: FastifyRequest, reply: FastifyReply) {
      const input = {
        ...part('params', spec.params, request.params),
        ...part('query', spec.query, request.query),
        ...(spec.upload
          ? { upload: uploadOf(request, spec.upload, bodyLimit) }
          : part('body', spec.body, jsonOf(request, spec))),
      };
      const ctx = contextOf(request, spec.audit ?? name);
      if (spec.object) ctx.access.require(objectOf(spec.object, input), neededLevel(spec));
      rememberExchange(ctx, { request, reply });
      const result = await traced(name, { 'http.route': spec.path }, () => handler(input as never, ctx));
      return reply.send(result);
    },
  });
}

function objectOf(object: NonNullable<RouteSpec['object']>, input: Partial<ObjectInput>): ObjectRef {
  const { params = {}, query = {}, body } = input;
  if (typeof object === 'function') return object({ params, query, body });
  return object.replace(/:([a-zA-Z]+)/g, (_, name: string) => String(params[name])) as ObjectRef;
}

function neededLevel(spec: RouteSpec): Level {
  return spec.level ?? levelFor(spec.permission) ?? 'MANAGE';
}

/** Bodies that are not JSON are left on the wire for the handler to stream. */
function acceptUploads(app: FastifyInstance): void {
  app.removeContentTypeParser('text/plain');
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
}

/** A parsed body. What was sent as another type is still on the wire and is not taken for one. */
function jsonOf(request: FastifyRequest, spec: RouteSpec): unknown {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
  if (spec.body && request.body !== undefined && type !== 'application/json') {
    throw httpErrors['unsupported-media-type'](`content-type '${type}': expected application/json`);
  }
  return request.body ?? undefined;
}

function uploadOf(request: FastifyRequest, types: readonly string[], bytesMax: number): unknown {
  const contentType = (request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
  if (!types.includes(contentType)) {
    throw httpErrors['unsupported-media-type'](`content-type '${contentType}': expected ${types.join(' or ')}`);
  }
  return { contentType, bytes: boundedBytes(request.body, bytesMax) };
}
