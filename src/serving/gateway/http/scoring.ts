import type { IncomingHttpHeaders } from 'node:http';
import { wishOfHeaders } from '../batching/queue-wish.ts';
import { gatewayErrors } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import { armAsked } from '../named-arm.ts';
import { modelReady } from '../open-inference/describe.ts';
import type { OnGone } from '../prediction.ts';
import { type Frame, frameOfCsv, frameOfJson, isRecord, parsePythonJson } from '../scoring/frame.ts';
import { type ScoreReply, scoreFrame } from '../scoring/score-frame.ts';
import type { WatchedRequest } from '../watch/request-watch.ts';
import { type Exchange, expected, sendJson, setErrorHeaders, setLifecycleHeaders } from './http-io.ts';
import { refusedEarly } from './refuse-early.ts';

/**
 * The contracts of MLflow's scoring server, of SageMaker's and Vertex AI's containers and of the first KServe protocol,
 * as translations onto the Open Inference Protocol.
 */
export interface ContainerContract {
  /** Answers where the address names no model; absent takes the only endpoint there is. */
  readonly defaultEndpoint?: string | undefined;
  /** Addresses that the environment of a Vertex AI container names. */
  readonly predictRoute?: string | undefined;
  readonly healthRoute?: string | undefined;
}

interface Action {
  readonly what: 'predict' | 'health' | 'version' | 'endpoints' | 'endpoint' | 'model';
  readonly model?: string | undefined;
  readonly version?: string | undefined;
}

const MODEL = /^\/v1\/models\/([^/:]+)(?:\/versions\/([^/:]+))?(:predict)?$/;
const ENDPOINT = /^\/endpoints\/([^/]+)\/invocations$/;
const DEPLOYMENT = /^\/api\/2\.0\/endpoints\/([^/]*)$/;

/** `undefined` for an address that is none of these. */
export function scoringAction(path: string, method: string, contract: ContainerContract): Action | undefined {
  const action = addressed(path, contract);
  if (!action) return undefined;
  const allowed = action.what === 'predict' ? 'POST' : 'GET';
  if (method === allowed || (method === 'HEAD' && action.what === 'health')) return action;
  throw gatewayErrors['method-not-allowed'](`${method} ${path.slice(0, 200)}: expected ${allowed}`);
}

function addressed(path: string, { predictRoute, healthRoute }: ContainerContract): Action | undefined {
  if (path === predictRoute || path === '/invocations') return { what: 'predict' };
  if (path === healthRoute || path === '/ping' || path === '/health') return { what: 'health' };
  if (path === '/version') return { what: 'version' };
  const [, model, version, predict] = MODEL.exec(path) ?? [];
  if (model !== undefined) return { what: predict ? 'predict' : 'model', model, version };
  const [, endpoint] = ENDPOINT.exec(path) ?? [];
  if (endpoint !== undefined) return { what: 'predict', model: endpoint };
  const [, deployment] = DEPLOYMENT.exec(path) ?? [];
  if (deployment === undefined) return undefined;
  return deployment === '' ? { what: 'endpoints' } : { what: 'endpoint', model: deployment };
}

/** Answers such a call. Errors have MLflow's form: `{ error_code, message }`. */
export function handleScoring(parts: GatewayParts, addressed: Action, { request, response, caller }: Exchange): void {
  const { model } = addressed;
  const action =
    caller?.tenant === undefined || model === undefined
      ? addressed
      : { ...addressed, model: parts.router.nameFor(model, caller.tenant) };
  const fail = (error: unknown): void => {
    parts.onError(error, action.what);
    const known = expected(error);
    const { status, message } = known;
    setErrorHeaders(response, known);
    const error_code = status < 500 ? 'BAD_REQUEST' : 'INTERNAL_ERROR';
    sendJson(response, status, JSON.stringify({ error_code, message, error: message }));
  };
  if (action.what !== 'predict') {
    request.discardBody();
    describe(parts, action).then(({ status, body, type }) => sendJson(response, status, body, type), fail);
    return;
  }
  const { headers } = request;
  const watched = parts.watch?.asks(request, action.model ?? '', caller);
  if (action.version === undefined) {
    const { defaultEndpoint: byDefault } = parts.contract;
    const name = action.model ?? byDefault ?? parts.router.only ?? '';
    const endpoint = parts.router.find(name);
    setLifecycleHeaders(response, endpoint);
    if (!parts.repository.has(name) && refusedEarly(endpoint, { request, caller }, fail)) return;
  }
  const done = (body: Buffer): void => {
    const onGone: OnGone = (listener) => response.onGone(listener);
    predict(parts, action, { body, headers, caller, watched, onGone }).then(({ text, type, marks }) => {
      for (const mark of MARKED) {
        const value = marks[mark];
        if (value !== undefined) response.setHeader(`Kedge-${mark}`, String(value));
      }
      sendJson(response, 200, text, type);
    }, fail);
  };
  request.readBody({ bytesMax: parts.limits.bodyBytesMax, budget: parts.bodies }, { done, fail });
}

interface Message {
  readonly body: Buffer;
  readonly headers: IncomingHttpHeaders;
  readonly caller: Exchange['caller'];
  readonly watched: WatchedRequest | undefined;
  readonly onGone: OnGone;
}

/** What is said of an answer in a header, because these protocols have no place for it in the body. */
const MARKED: readonly string[] = ['fallback', 'cached'];
const JSON_LINES = 'application/jsonlines';

async function predict(
  parts: GatewayParts,
  { model, version }: Action,
  { body, headers, caller, watched, onGone }: Message,
): Promise<{ readonly text: string; readonly type: string; readonly marks: ScoreReply['marks'] }> {
  const [type = ''] = (headers['content-type'] ?? 'application/json').split(';');
  const text = body.toString('utf8');
  const parsed = type.trim() === 'text/csv' ? undefined : type.trim() === JSON_LINES ? linesOf(text) : jsonBody(text);
  const frame = (inputs: readonly string[]): Frame =>
    parsed === undefined ? frameOfCsv(text, inputs, parts.limits.instancesMax) : frameOfJson(parsed);
  const inferenceId = headers['x-amzn-sagemaker-inference-id'];
  const { predictions, marks } = await scoreFrame(parts, {
    model: model ?? parts.router.nameFor(defaultEndpoint(parts), caller?.tenant),
    ...{ wish: wishOfHeaders(headers), onGone },
    ...{ version, frame, caller, watched, asked: armAsked((header) => headers[header]) },
    ...{ id: typeof inferenceId === 'string' ? inferenceId : undefined },
  });
  const accepted = headers.accept ?? '';
  if (accepted.startsWith('text/csv')) {
    const lines = predictions.map((row) => (Array.isArray(row) ? row.join(',') : JSON.stringify(row)));
    return { text: `${lines.join('\n')}\n`, type: 'text/csv', marks };
  }
  if (accepted.startsWith(JSON_LINES)) {
    const lines = predictions.map((prediction) => JSON.stringify({ predictions: [prediction] }));
    return { text: `${lines.join('\n')}\n`, type: JSON_LINES, marks };
  }
  return { text: JSON.stringify({ predictions }), type: 'application/json', marks };
}

/** A list alone is its rows, as SageMaker's clients send it. */
function jsonBody(text: string): unknown {
  const value = parsePythonJson(text);
  return Array.isArray(value) ? { instances: value } : value;
}

/** One instance a line; `{ "features": [...] }` is SageMaker's own form of a row. */
function linesOf(text: string): unknown {
  const instances = text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(parsePythonJson);
  return {
    instances: instances.map((row) => (isRecord(row) && Array.isArray(row['features']) ? row['features'] : row)),
  };
}

/** Throws `gateway/unknown-endpoint` when it is not clear which one is meant. */
function defaultEndpoint(parts: GatewayParts): string {
  const { defaultEndpoint: named } = parts.contract;
  if (named) return named;
  const names = [...parts.router.endpoints].map(({ routed }) => routed.name);
  if (names.length === 1 && names[0] !== undefined) return names[0];
  throw gatewayErrors['unknown-endpoint'](
    `there are ${names.length} endpoints: KEDGE_DEFAULT_ENDPOINT names the one that answers here`,
  );
}

interface Described {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

async function describe(parts: GatewayParts, { what, model, version }: Action): Promise<Described> {
  if (what === 'version') return { status: 200, body: parts.version, type: 'text/plain' };
  if (what === 'health') {
    const ready = await modelReady(parts, defaultEndpoint(parts));
    return { status: ready ? 200 : 503, body: '{}' };
  }
  if (what === 'model') {
    const ready = await modelReady(parts, model ?? '', version);
    return { status: ready ? 200 : 503, body: JSON.stringify({ name: model, ready }) };
  }
  if (what === 'endpoint') {
    return { status: 200, body: JSON.stringify(deploymentOf(parts.router.endpoint(model ?? '').routed.name)) };
  }
  const endpoints = [...parts.router.endpoints].map(({ routed }) => deploymentOf(routed.name));
  return { status: 200, body: JSON.stringify({ endpoints }) };
}

/** An endpoint as MLflow's deployment clients list it. */
function deploymentOf(name: string): object {
  return {
    name,
    endpoint_type: 'kedge/v1/tabular',
    model: { name, provider: 'kedge' },
    endpoint_url: `/endpoints/${encodeURIComponent(name)}/invocations`,
    limit: null,
  };
}
