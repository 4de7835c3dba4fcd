import { KedgeError, messageOf } from '#core/errors';
import { gatewayErrors } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import { allStatistics } from '../processes/all-statistics.ts';
import type { ProcessView } from '../processes/siblings.ts';
import { ofTenant } from '../protection/access/caller.ts';
import { tenantOf } from '../protection/tenants.ts';
import { scalingMetrics } from '../scaling/scaling-metrics.ts';
import { tritonMetrics } from '../triton-metrics.ts';
import { type Exchange, expected, sendJson, sendProblem, setErrorHeaders } from './http-io.ts';
import type { HttpRequest, HttpResponse } from './http-message.ts';
import { handleOpenInference } from './open-inference/handle.ts';
import { handlePredict } from './predict.ts';
import { handleScoring, scoringAction } from './scoring.ts';
import { watchRequest } from './watch-request.ts';

const PREDICT_PREFIX = '/v1/endpoints/';
const PREDICT_SUFFIX = '/predict';

/** Answers a request, whoever read it. */
export function serveRequest(parts: GatewayParts, request: HttpRequest, answer: HttpResponse): void {
  const { requestsMax } = parts.limits;
  const response = parts.watch ? watchRequest(parts.watch, request, answer) : answer;
  if (!parts.keepAlive.goesOn()) response.endConnection();
  if (parts.inWork() >= requestsMax) {
    refuse(request, response, gatewayErrors.busy(`${requestsMax} predictions are in work, which is the limit`));
    return;
  }
  try {
    admit(parts, request, response);
  } catch (error) {
    parts.onError(error, request.url);
    refuse(request, response, error);
  }
}

/** Refuses a request that has not come to its handler, in the form of the protocol that its address belongs to. */
function refuse(request: HttpRequest, response: HttpResponse, error: unknown): void {
  request.discardBody();
  if (!request.url.startsWith('/v2')) {
    sendProblem(response, error);
    return;
  }
  const known = expected(error);
  setErrorHeaders(response, known);
  sendJson(response, known.status, JSON.stringify({ error: known.message }));
}

/** What probes ask for, which have no credentials and learn nothing but a word. */
const PROBED: readonly string[] = ['/v2/health/live', '/v2/health/ready', '/ping', '/health'];

/** Lets a request in and hands it to its handler. */
function admit(parts: GatewayParts, request: HttpRequest, response: HttpResponse): void {
  const { door, contract, tenants } = parts;
  const whole = pathOf(request.url);
  const { tenant, path } = tenants
    ? tenantOf(tenants, whole, (name) => textOf(request.headers[name]))
    : { tenant: undefined, path: whole };
  if (!door || PROBED.includes(path) || path === contract.healthRoute) {
    dispatch(parts, path, { request, response, caller: ofTenant(undefined, tenant) });
    return;
  }
  const caller = door.enter(request.headers);
  if (!(caller instanceof Promise)) {
    dispatch(parts, path, { request, response, caller: ofTenant(caller, tenant) });
    return;
  }
  caller
    .then((known) => dispatch(parts, path, { request, response, caller: ofTenant(known, tenant) }))
    .catch((error) => {
      parts.onError(error, path);
      refuse(request, response, error);
    });
}

function textOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : header?.[0];
}

function dispatch(parts: GatewayParts, path: string, exchange: Exchange): void {
  const { request, response } = exchange;
  if (path.startsWith(PREDICT_PREFIX) && path.endsWith(PREDICT_SUFFIX)) {
    requireMethod(request, 'POST');
    handlePredict(parts, path.slice(PREDICT_PREFIX.length, -PREDICT_SUFFIX.length), exchange);
  } else if (path === '/v2' || path.startsWith('/v2/')) {
    handleOpenInference(parts, path, exchange);
  } else if (path === '/metrics') {
    requireMethod(request, 'GET');
    answer(parts, response, async () => ({
      text: (await ownMetrics(parts)) + tritonMetrics(await allStatistics(parts)) + scalingMetrics(parts.load),
      type: parts.metrics.contentType,
    }));
  } else if (path === '/v1/flush') {
    requireMethod(request, 'POST');
    request.discardBody();
    answer(parts, response, async () => ({
      text: JSON.stringify({ shipped: await shipAll(parts), routing: parts.router.version }),
    }));
  } else if (path === '/v1/processes') {
    requireMethod(request, 'GET');
    answer(parts, response, async () => ({ text: JSON.stringify({ processes: await processesOf(parts) }) }));
  } else {
    const action = scoringAction(path, request.method, parts.contract);
    if (!action) throw gatewayErrors['not-found'](`${request.method} ${path.slice(0, 200)}`);
    handleScoring(parts, action, exchange);
  }
}

async function ownMetrics({ siblings, metrics }: GatewayParts): Promise<string> {
  return siblings ? metrics.exposeSum(await siblings.ask({ ask: 'metrics' })) : metrics.expose();
}

async function processesOf({ siblings, openConnections }: GatewayParts): Promise<readonly ProcessView[]> {
  if (siblings) return siblings.processes();
  return [{ process: 1, pid: process.pid, state: 'serving', starts: 1, connections: await openConnections() }];
}

/** What cannot be shipped is kept; to whoever asked for it that is a matter of trying again. */
async function shipAll(parts: GatewayParts): Promise<number> {
  try {
    const { siblings } = parts;
    if (!siblings) return await parts.flush();
    return (await siblings.ask({ ask: 'flush' })).reduce((sum, shipped) => sum + shipped, 0);
  } catch (error) {
    if (error instanceof KedgeError && error.code.startsWith('gateway-process/')) throw error;
    throw gatewayErrors['not-shipped'](`the control plane takes no predictions: ${messageOf(error)}`);
  }
}

function answer(
  parts: GatewayParts,
  response: HttpResponse,
  work: () => Promise<{ readonly text: string; readonly type?: string }>,
): void {
  work().then(
    ({ text, type }) => sendJson(response, 200, text, type),
    (error) => {
      // An expected failure is told to whoever asked; only a bug is the gateway's own.
      if (!(error instanceof KedgeError)) parts.onError(error, 'answer');
      sendProblem(response, error);
    },
  );
}

function requireMethod(request: HttpRequest, method: string): void {
  if (request.method === method) return;
  throw gatewayErrors['method-not-allowed'](`${request.method} ${request.url.slice(0, 200)}: expected ${method}`);
}

/** The path without query, with escapes resolved. */
function pathOf(url: string): string {
  const end = url.indexOf('?');
  const path = end < 0 ? url : url.slice(0, end);
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    throw gatewayErrors['not-found'](path.slice(0, 200));
  }
}
