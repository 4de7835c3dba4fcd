import type { IncomingHttpHeaders } from 'node:http';
import { gatewayErrors, invalidField } from '../../errors.ts';
import type { GatewayParts } from '../../gateway-parts.ts';
import { armAsked } from '../../named-arm.ts';
import {
  configOf,
  indexOf,
  loadNow,
  metadataOf,
  modelReady,
  statisticsOf,
  unloadNow,
} from '../../open-inference/describe.ts';
import { infer } from '../../open-inference/infer.ts';
import { statisticsJson } from '../../open-inference/statistics-json.ts';
import type { OnGone } from '../../prediction.ts';
import type { LoadParameters } from '../../repository/model-repository.ts';
import type { WatchedRequest } from '../../watch/request-watch.ts';
import { type Exchange, expected, parseJson, sendJson, setErrorHeaders, setLifecycleHeaders } from '../http-io.ts';
import type { HttpResponse } from '../http-message.ts';
import { refusedEarly } from '../refuse-early.ts';
import { inflated } from './compression.ts';
import { inferPlain } from './infer-plain.ts';
import { readInfer } from './read-infer.ts';
import { sendInfer, sendWritten } from './send-answer.ts';
import { isUnsupported, type Target, targetOf } from './target.ts';
import { startWithCallback, tellCallback } from './with-callback.ts';
import { bytesOf, type InferAnswer, type WrittenAnswer, writeInfer } from './write-infer.ts';

/** The Open Inference Protocol v2 over REST. Errors have its form: `{ error: text }`. */
export function handleOpenInference(parts: GatewayParts, path: string, { request, response, caller }: Exchange): void {
  const addressed = targetOf(path);
  const target =
    addressed && caller?.tenant !== undefined
      ? { ...addressed, model: parts.router.nameFor(addressed.model, caller.tenant) }
      : addressed;
  const fail = (error: unknown): void => {
    parts.onError(error, path);
    const known = expected(error);
    setErrorHeaders(response, known);
    const text = parts.dialect.text(known, target?.model ?? '');
    sendJson(response, known.status, JSON.stringify({ error: text }));
  };
  if (!target) {
    request.discardBody();
    const name = `${request.method} ${path.slice(0, 200)}`;
    fail(isUnsupported(path) ? gatewayErrors.unsupported(name) : gatewayErrors['not-found'](name));
    return;
  }
  if (request.method !== target.method) {
    request.discardBody();
    fail(gatewayErrors['method-not-allowed'](`${request.method} ${path.slice(0, 200)}: expected ${target.method}`));
    return;
  }
  if (target.result !== undefined) {
    request.discardBody();
    if (target.what === 'callback') tellCallback(parts, target.result, response, fail);
    else answerLater(parts, target.result, { request, response, fail });
    return;
  }
  if (target.method === 'GET') {
    describe(parts, target).then(({ status, body }) => sendJson(response, status, JSON.stringify(body)), fail);
    return;
  }
  act(parts, target, { request, response, caller, fail });
}

/** Has the body of a request come, and answers what it asks for: now, when the client asks for it, or elsewhere. */
function act(
  parts: GatewayParts,
  target: Target,
  { request, response, caller, fail }: Exchange & { readonly fail: (error: unknown) => void },
): void {
  const { headers } = request;
  if (target.what === 'infer' && target.version === undefined) {
    const endpoint = parts.router.find(target.model);
    setLifecycleHeaders(response, endpoint);
    if (!parts.repository.has(target.model) && refusedEarly(endpoint, { request, caller }, fail)) return;
  }
  const watched = target.what === 'infer' ? parts.watch?.asks(request, target.model, caller) : undefined;
  const isRouted = target.what === 'infer' && target.version === undefined;
  const glance = (raw: Buffer): boolean =>
    isRouted && inferPlain(parts, target.model, raw, { request, response, caller, watched, fail });
  const answerTo = (raw: Buffer): void => {
    const { bodyBytesMax } = parts.limits;
    const answer = (onGone?: OnGone): Promise<InferAnswer> =>
      headers['content-encoding']
        ? inflated(raw, headers['content-encoding'], bodyBytesMax).then((body) =>
            done(parts, target, { body, headers, caller, onGone, watched }),
          )
        : done(parts, target, { body: raw, headers, caller, onGone, watched });
    const callback = target.what === 'infer' ? headers['x-kedge-callback'] : undefined;
    if (callback !== undefined) {
      const work = { url: String(callback), model: target.model, answer: () => answer().then(bytesOf) };
      startWithCallback(parts, work).then((id) => accepted(response, id), fail);
      return;
    }
    if (target.what !== 'infer' || !asksToRespondLater(headers)) {
      answer((listener) => response.onGone(listener))
        .then((written) => sendInfer(response, written, headers['accept-encoding']))
        .catch(fail);
      return;
    }
    try {
      accepted(
        response,
        parts.results.start(() => answer().then(bytesOf)),
      );
    } catch (error) {
      fail(error);
    }
  };
  request.readBody({ bytesMax: parts.limits.bodyBytesMax, budget: parts.bodies }, { glance, done: answerTo, fail });
}

/** RFC 7240: the client does not wait for the answer, and asks for it by its address. */
function asksToRespondLater({ prefer }: IncomingHttpHeaders): boolean {
  return /(?:^|,)\s*respond-async\s*(?:[,;]|$)/i.test(String(prefer ?? ''));
}

function accepted(response: HttpResponse, id: string): void {
  response.setHeader('Location', `/v2/results/${id}`);
  sendJson(response, 202, JSON.stringify({ id, result: `/v2/results/${id}` }));
}

/** An answer that was not waited for: 202 until it is there, then what the request would have been answered with. */
function answerLater(
  parts: GatewayParts,
  id: string,
  { request, response, fail }: Omit<Exchange, 'caller'> & { readonly fail: (error: unknown) => void },
): void {
  resultOf(parts, id)
    .then((answer) =>
      answer ? sendWritten(response, answer, request.headers['accept-encoding']) : accepted(response, id),
    )
    .catch(fail);
}

/** The answer under an id from whichever process keeps it; undefined while it is worked on. */
async function resultOf({ results, siblings }: GatewayParts, id: string): Promise<WrittenAnswer | undefined> {
  if (!siblings || results.has(id)) return results.get(id);
  const kept = (await siblings.ask({ ask: 'result', id })).find(({ state }) => state !== 'absent');
  if (!kept) return results.get(id);
  return kept.state === 'done' ? { ...kept.answer, body: Buffer.from(kept.answer.body) } : undefined;
}

async function describe(parts: GatewayParts, target: Target): Promise<{ status: number; body: unknown }> {
  const { what, model, version } = target;
  const { server, extensions } = parts.dialect;
  const ok = (body: unknown): { status: number; body: unknown } => ({ status: 200, body });
  const readiness = (ready: boolean, body: object): { status: number; body: unknown } => ({
    status: ready ? 200 : 503,
    body: { ...body, ready },
  });
  switch (what) {
    case 'server':
      return ok({ name: server, version: '2', extensions });
    case 'live':
      return ok({ live: true });
    case 'server-ready':
      return readiness(parts.ready(), {});
    case 'ready':
      return readiness(await modelReady(parts, model, version), { name: model });
    case 'metadata':
      return ok(await metadataOf(parts, model, version));
    case 'config':
      return ok(await configOf(parts, model, version));
    case 'statistics':
      return ok({ model_stats: (await statisticsOf(parts, model || undefined, version)).map(statisticsJson) });
    default:
      throw gatewayErrors['not-found'](what);
  }
}

interface Message {
  readonly body: Buffer;
  readonly headers: IncomingHttpHeaders;
  readonly caller: Exchange['caller'];
  readonly onGone?: OnGone | undefined;
  readonly watched: WatchedRequest | undefined;
}

/** What a request asks for, done, and the answer to it. */
async function done(parts: GatewayParts, target: Target, message: Message): Promise<InferAnswer> {
  const { body, headers, caller, watched, onGone } = message;
  const { what, model, version } = target;
  if (what === 'infer') {
    const { binary, ...call } = readInfer(body, headers['inference-header-content-length']);
    return writeInfer(
      await infer(parts, {
        ...{ ...call, model, version, caller, watched, onGone },
        asked: armAsked((header) => headers[header]),
      }),
      binary,
    );
  }
  const json = (value: unknown): InferAnswer => ({ json: JSON.stringify(value), raws: [] });
  const given = body.length === 0 ? {} : parseJson(body);
  if (!isRecord(given)) throw invalidField('body', 'expected an object');
  if (what === 'index') {
    return json(indexOf(parts, { readyOnly: truth(given, 'ready'), memory: truth(given, 'memory') }));
  }
  if (what === 'load') await loadNow(parts, model, loadParameters(given['parameters']));
  else await unloadNow(parts, model);
  return json({});
}

function truth(given: Record<string, unknown>, name: string): boolean {
  const { [name]: value = false } = given;
  if (typeof value === 'boolean') return value;
  throw invalidField(name, 'expected true or false');
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

function loadParameters(value: unknown): LoadParameters {
  if (value === undefined) return { files: new Map() };
  if (!isRecord(value)) throw invalidField('parameters', 'expected an object');
  const files = new Map<string, Uint8Array>();
  for (const [name, content] of Object.entries(value)) {
    if (!name.startsWith('file:')) continue;
    if (typeof content !== 'string' || !BASE64.test(content)) {
      throw invalidField(`parameters.${name.slice(0, 100)}`, 'expected a file in base64');
    }
    files.set(name.slice('file:'.length), Buffer.from(content, 'base64'));
  }
  const { config } = value;
  if (config !== undefined && typeof config !== 'string') throw invalidField('parameters.config', 'expected a text');
  return { config, files };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
