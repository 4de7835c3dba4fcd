import { type PastSpan, recordServed } from '#platform/observe';
import type { RequestEnd, WatchedRequest } from './request-watch.ts';

/** Routes by their paths: names of spans must not be as many as there are endpoints. */
const ROUTES: readonly (readonly [RegExp, string])[] = [
  [/^\/v1\/endpoints\/[^/]+\/predict$/, '/v1/endpoints/{endpoint}/predict'],
  [/^\/v2\/models\/[^/]+\/versions\/[^/]+\/infer$/, '/v2/models/{model}/versions/{version}/infer'],
  [/^\/v2\/models\/[^/]+\/infer$/, '/v2/models/{model}/infer'],
  [/^\/v1\/models\/[^/]+:predict$/, '/v1/models/{model}:predict'],
  [/^\/endpoints\/[^/]+\/invocations$/, '/endpoints/{endpoint}/invocations'],
  [/^\/invocations$/, '/invocations'],
];

/**
 * Records the span of a request by the semantic conventions of OpenTelemetry, with one beneath it for each wait in the
 * queue and each run of a model. Tells the id of its trace.
 */
export function recordSpan(watched: WatchedRequest, end: RequestEnd, endedMs: number): string | undefined {
  const { head, startedAt, startedMs, runs } = watched;
  const at = (ms: number): number => startedAt + (ms - startedMs);
  const { name, attributes, error } = head.protocol === 'grpc' ? ofGrpc(watched, end) : ofHttp(watched, end);
  const part = (what: string, fromMs: number, toMs: number): PastSpan => ({
    ...{ name: what, startedAt: at(fromMs), endedAt: at(toMs), attributes: {} },
  });
  return recordServed({
    ...{ name, error, startedAt, endedAt: at(endedMs) },
    attributes: { ...attributes, ...ownAttributes(watched) },
    carrier: carrierOf(watched),
    parts: () =>
      runs.flatMap((run) => [
        part('queue', run.queuedMs, run.startedMs),
        part('model run', run.startedMs, run.endedMs),
      ]),
  });
}

type Named = Pick<PastSpan, 'name' | 'attributes'> & { readonly error: string | undefined };

function ofHttp({ head }: WatchedRequest, { status, aborted }: RequestEnd): Named {
  const { method, path } = head;
  const route = ROUTES.find(([pattern]) => pattern.test(path))?.[1];
  const failed = status >= 500 || aborted === true;
  return {
    name: route === undefined ? method : `${method} ${route}`,
    attributes: {
      'http.request.method': method,
      'url.path': path,
      'http.response.status_code': status,
      ...(route === undefined ? {} : { 'http.route': route }),
      ...(failed ? { 'error.type': aborted ? 'aborted' : String(status) } : {}),
    },
    error: failed ? (aborted ? 'the client left' : `status ${status}`) : undefined,
  };
}

/** Statuses of gRPC that are the server's fault, as the conventions list them. */
const FAULTS: ReadonlySet<number> = new Set([2, 4, 12, 13, 14, 15]);

function ofGrpc({ head }: WatchedRequest, { status }: RequestEnd): Named {
  const [service = '', method = ''] = head.path.slice(1).split('/');
  const failed = FAULTS.has(status);
  return {
    name: `${service}/${method}`,
    attributes: {
      'rpc.system': 'grpc',
      'rpc.service': service,
      'rpc.method': method,
      'rpc.grpc.status_code': status,
      ...(failed ? { 'error.type': String(status) } : {}),
    },
    error: failed ? `status ${status}` : undefined,
  };
}

function ownAttributes({ endpoint, model, revision, arm, prediction, rows }: WatchedRequest): PastSpan['attributes'] {
  return {
    ...(endpoint === undefined ? { 'kedge.model': model } : { 'kedge.endpoint': endpoint }),
    ...(revision === undefined ? {} : { 'kedge.revision': revision }),
    ...(arm === undefined ? {} : { 'kedge.arm': arm }),
    ...(prediction === undefined ? {} : { 'kedge.prediction': prediction }),
    ...(rows > 0 ? { 'kedge.rows': rows } : {}),
  };
}

function carrierOf({ head }: WatchedRequest): Readonly<Record<string, string>> {
  const found = ['traceparent', 'tracestate'].map((name) => [name, head.header(name)]);
  return Object.fromEntries(found.filter((pair): pair is [string, string] => pair[1] !== undefined));
}
