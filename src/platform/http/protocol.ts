import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { KedgeError } from '#core/errors';
import type { System } from '#core/system';
import type { Method } from '#platform/contract';
import { type Logger, traced } from '#platform/observe';
import { boundedBytes, drain } from './body.ts';
import { expected, httpErrors } from './problem.ts';
import { type PushedBody, sendPushed } from './pushed-body.ts';
import { challenge, contextOf, type RequestContext } from './sender.ts';

/** A protocol that others defined. It has paths, bodies and errors of its own, which its clients insist on. */
export interface ForeignProtocol {
  readonly name: string;
  /** Everything below these is the protocol's: what it does not know there is refused in its own form. */
  readonly prefixes: readonly `/${string}`[];
  /** Any failure in the form that the protocol's clients read, some of which send more than one kind of body. */
  answerError(error: KedgeError, headers?: ForeignRequest['headers']): ForeignReply;
}

/** Routes of a protocol that one domain serves. Several domains may serve one protocol. */
export interface ProtocolGroup {
  readonly protocol: ForeignProtocol;
  readonly routes: readonly ForeignRoute[];
}

/** A route reads, or says under which action the audit log has what it changed. */
export type ForeignRoute = ForeignRouteBase & ({ readonly reads: true } | { readonly audit: string });

interface ForeignRouteBase {
  /** Names the operation in traces. */
  readonly name: string;
  readonly method: Method;
  /** With `:name` for parameters, and `*` at the end for the rest of the path, which arrives decoded under `*`. */
  readonly paths: readonly `/${string}`[];
  /** `<domain>:<verb>`, as on the platform's own routes; `signed-in` and `public` mean the same as there. */
  readonly permission: `${string}:${string}` | 'signed-in' | 'public';
  /**
   * The handler itself asks `ctx.access` for the level on each object that it touches. Without this, callers need the
   * level on the whole project.
   */
  readonly checksObjects?: true;
  /** What becomes of the body: parsed as JSON whatever its media type says, or handed over as a stream. */
  readonly takes?: 'json' | 'bytes';
  /** 1 MiB for JSON and 1 GiB for bytes, unless told. */
  readonly bodyBytesMax?: number;
  handler(request: ForeignRequest, ctx: RequestContext): Promise<ForeignReply>;
}

export interface ForeignRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The path and query as they were sent, before anything was decoded. */
  readonly url: string;
  /** The parsed body of a route that takes JSON; `undefined` when there was none. */
  readonly body: unknown;
  /** The body of a route that takes bytes. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface ForeignReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is sent as it comes, at the pace of the reader. */
  readonly body: string | Uint8Array | AsyncIterable<Uint8Array> | PushedBody;
}

const JSON_BYTES_MAX = 1_048_576;
const BYTES_MAX = 1_073_741_824;

interface Surroundings {
  readonly logger: Logger;
  readonly system: Pick<System, 'clock'>;
  /** See {@link drain}. */
  readonly refusedBytesMax?: number | undefined;
}

/** Serves the groups, each protocol with its own form of error, also for what it does not know below its prefixes. */
export function bindProtocols(
  app: FastifyInstance,
  groups: readonly ProtocolGroup[],
  surroundings: Surroundings,
): void {
  const protocols = new Map<ForeignProtocol, ForeignRoute[]>();
  for (const { protocol, routes } of groups) {
    protocols.set(protocol, [...(protocols.get(protocol) ?? []), ...routes]);
  }
  for (const [protocol, routes] of protocols) {
    const answerError = (thrown: unknown, request: FastifyRequest, reply: FastifyReply): Sent => {
      const error = expected(thrown, request.id);
      if (error.status >= 500) {
        surroundings.logger.error({ err: thrown, requestId: request.id, url: request.url }, 'request failed');
      }
      if (error.status === 401) challenge(reply);
      const { system, refusedBytesMax: bytesMax } = surroundings;
      drain(request, reply, { clock: system.clock, status: error.status, bytesMax });
      const answer = { status: error.status, ...protocol.answerError(error, request.headers) };
      return sendReply(reply, answer, surroundings.logger);
    };
    void app.register(async (scope) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
      scope.setErrorHandler(answerError);
      for (const route of routes) bindRoute(scope, route, surroundings);
      for (const prefix of protocol.prefixes) scope.all(`${prefix}/*`, UNKNOWN, refuseUnknown);
    });
  }
}

function bindRoute(scope: FastifyInstance, route: ForeignRoute, surroundings: Surroundings): void {
  const bodyLimit = route.bodyBytesMax ?? (route.takes === 'bytes' ? BYTES_MAX : JSON_BYTES_MAX);
  const action = 'audit' in route ? route.audit : route.name;
  for (const url of route.paths) {
    scope.route({
      method: route.method,
      url,
      bodyLimit,
      config: { access: route.permission, decidesByObject: route.checksObjects === true },
      async handler(request, reply) {
        const foreign: ForeignRequest = {
          params: request.params as Record<string, string>,
          query: new URLSearchParams(request.url.split('?')[1] ?? ''),
          headers: request.headers,
          url: request.url,
          body: route.takes === 'json' ? await jsonOf(request, bodyLimit) : undefined,
          bytes: boundedBytes(request.body, bodyLimit),
        };
        const ctx = contextOf(request, action);
        const answer = await traced(route.name, { 'http.route': url }, () => route.handler(foreign, ctx));
        return sendReply(reply, answer, surroundings.logger);
      },
    });
  }
}

async function refuseUnknown(request: FastifyRequest): Promise<never> {
  throw httpErrors['not-found'](`${request.method} ${request.url.slice(0, 500)}`);
}

/** Whoever is known may learn that an address is none. */
const UNKNOWN = { config: { access: 'signed-in' } };

type Sent = FastifyReply | Promise<FastifyReply>;

function sendReply(reply: FastifyReply, answer: ForeignReply, logger: Logger): Sent {
  const { status = 200, headers = {}, body } = answer;
  if (typeof body === 'object' && 'pushTo' in body) return sendPushed(reply, { status, headers, body }, logger);
  reply.status(status).headers(headers);
  if (typeof body === 'string' || body instanceof Uint8Array) return reply.send(body);
  return reply.send(Readable.from(body));
}

async function jsonOf(request: FastifyRequest, bytesMax: number): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of boundedBytes(request.body, bytesMax)) chunks.push(chunk);
  if (chunks.length === 0) return undefined;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch (error) {
    throw httpErrors['invalid-input'](`the body is not JSON in UTF-8: ${(error as Error).message}`);
  }
}
