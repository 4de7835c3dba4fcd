import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { System } from '#core/system';
import { type Authenticator, requirePermission } from '#platform/access';
import type { Contract, Handlers, RouteSpec } from '#platform/contract';
import type { Actor } from '#platform/db';
import { type Logger, type Metrics, traced } from '#platform/observe';
import { boundedBytes } from './body.ts';
import { httpErrors, invalidInput, problemOf } from './problem.ts';
import { bindProtocols, type ProtocolGroup } from './protocol.ts';
import { type RequestContext, refuseForeignOrigin, whoSends } from './sender.ts';

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

export interface HttpServer {
  readonly app: FastifyInstance;
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
    if (problem.status >= 500) logger.error({ err: error, requestId: request.id, url: request.url }, 'request failed');
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
  app.addHook('onRequest', async (request) => refuseForeignOrigin(request));
  acceptUploads(app);

  for (const group of options.groups) {
    for (const [name, spec] of Object.entries(group.routes)) {
      const handler = group.handlers[name];
      if (!handler) throw new Error(`the route ${name} has no handler`);
      bind(app, { name, spec, handler, authenticator: options.authenticator });
    }
  }
  bindProtocols(app, options.protocols ?? [], options);
  return {
    app,
    async listen(host, port) {
      return app.listen({ host, port });
    },
    async close() {
      const closed = app.close();
      // Idle keep-alive connections would be waited for, and a client may keep one for minutes.
      app.server.closeIdleConnections();
      const cancel = system.clock.after(CLOSE_GRACE_MS, () => app.server.closeAllConnections());
      await closed;
      cancel();
    },
  };
}

interface Binding {
  readonly name: string;
  readonly spec: RouteSpec;
  readonly handler: AnyHandler;
  readonly authenticator: Authenticator;
}

function bind(app: FastifyInstance, { name, spec, handler, authenticator }: Binding): void {
  const bodyLimit = spec.bodyBytesMax ?? (spec.upload ? UPLOAD_BYTES_MAX : BODY_BYTES_MAX);
  const allowed = (request: FastifyRequest): Actor => {
    const actor = whoSends(request, authenticator);
    requirePermission(actor, spec.permission);
    return actor;
  };
  app.route({
    method: spec.method,
    url: spec.path,
    bodyLimit,
    // Before the body is read: nobody unknown gets this process to read or parse one.
    async onRequest(request) {
      allowed(request);
    },
    async handler(request: FastifyRequest, reply: FastifyReply) {
      const actor = allowed(request);
      const input = {
        ...part('params', spec.params, request.params),
        ...part('query', spec.query, request.query),
        ...(spec.upload
          ? { upload: uploadOf(request, spec.upload, bodyLimit) }
          : part('body', spec.body, jsonOf(request, spec))),
      };
      const ctx: RequestContext = { actor, action: spec.audit ?? name, requestId: request.id };
      const result = await traced(name, { 'http.route': spec.path }, () => handler(input as never, ctx));
      return reply.send(result);
    },
  });
}

function part(name: string, schema: z.ZodType | undefined, value: unknown): Record<string, unknown> {
  if (!schema) return {};
  const parsed = schema.safeParse(value ?? (name === 'body' ? undefined : {}));
  if (!parsed.success) throw invalidInput(name, parsed.error);
  return { [name]: parsed.data };
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
