import { wishOfHeaders } from '../batching/queue-wish.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import { armAsked, namedArm } from '../named-arm.ts';
import { answeringArm, answeringRevision, armNameOf, type Prediction, propensityOf } from '../prediction.ts';
import { batchInstances } from '../predictor.ts';
import { type Instance, readInstance } from '../read-instance.ts';
import type { WatchedRequest } from '../watch/request-watch.ts';
import { type Exchange, expected, parseJson, sendJson, sendProblem, setLifecycleHeaders } from './http-io.ts';
import type { HttpResponse } from './http-message.ts';
import { refusedEarly } from './refuse-early.ts';

/** `POST /v1/endpoints/:name/predict`: one instance, or `{ instances: [...] }`. */
export function handlePredict(parts: GatewayParts, name: string, { request, response, caller }: Exchange): void {
  const fail = (error: unknown): void => {
    parts.onError(error, name);
    sendProblem(response, error);
  };
  const endpoint = parts.router.find(parts.router.nameFor(name, caller?.tenant));
  setLifecycleHeaders(response, endpoint);
  const watched = parts.watch?.asks(request, name, caller);
  if (refusedEarly(endpoint, { request, caller }, fail)) return;
  const done = (body: Buffer): void => {
    try {
      predict(parts, name, { body: parseJson(body), request, response, caller, watched, fail });
    } catch (error) {
      fail(error);
    }
  };
  request.readBody({ bytesMax: parts.limits.bodyBytesMax, budget: parts.bodies }, { done, fail });
}

interface Call extends Exchange {
  readonly body: unknown;
  readonly watched: WatchedRequest | undefined;
  readonly fail: (error: unknown) => void;
}

function predict(parts: GatewayParts, name: string, call: Call): void {
  const { body, request, response, caller, watched, fail } = call;
  const endpoint = parts.router.endpoint(parts.router.nameFor(name, caller?.tenant));
  setLifecycleHeaders(response, endpoint);
  const named = namedArm(
    endpoint,
    armAsked((header) => request.headers[header]),
  );
  const wish = wishOfHeaders(request.headers);
  const onGone = (listener: () => void): void => response.onGone(listener);
  if (body !== null && typeof body === 'object' && 'instances' in body) {
    const values = batchInstances(body.instances, parts.limits.instancesMax);
    const instances = values.map((value, i) => instanceOf(value, `instances.${i}`, named));
    parts.predictor.predict({
      endpoint,
      caller,
      watched,
      instances,
      path: 'instances',
      finish: (all) => answerBatch(response, all),
      fail,
      wish,
      onGone,
    });
    return;
  }
  const instances = [instanceOf(body, '', named)];
  const finish = ([prediction]: readonly Prediction[]): void => {
    if (!prediction) return;
    if (prediction.error) fail(prediction.error);
    else sendJson(response, 200, answerOf(prediction));
  };
  parts.predictor.predict({ endpoint, caller, watched, instances, path: '', finish, fail, wish, onGone });
}

function instanceOf(value: unknown, path: string, named: ReturnType<typeof namedArm>): Instance {
  const instance = readInstance(value, path);
  return named ? { ...instance, ...named } : instance;
}

/** Every prediction by itself: one that failed carries its error in its place. */
function answerBatch(response: HttpResponse, predictions: readonly Prediction[]): void {
  const failed = predictions.filter(({ error }) => error);
  if (failed.length === predictions.length) {
    sendProblem(response, failed[0]?.error);
    return;
  }
  const items = predictions.map((prediction) => {
    if (!prediction.error) return answerOf(prediction);
    const { code, message } = expected(prediction.error);
    return JSON.stringify({ id: prediction.id, error: { code, detail: message } });
  });
  sendJson(response, 200, `{"predictions":[${items.join(',')}]}`);
}

/**
 * Written by hand: an answer is the same but for three values each time, and to look through an object for them costs a
 * good part of what the model does.
 */
function answerOf(prediction: Prediction): string {
  const { id, endpoint, score } = prediction;
  const output = quoted(answeringArm(prediction).arm.signature.output);
  const answered = `"revision":${quoted(answeringRevision(prediction))},"arm":${quoted(armNameOf(prediction))}`;
  const answer = `"endpoint":${quoted(endpoint.routed.name)},${answered},"output":{${output}:${score}}`;
  return `{"id":${JSON.stringify(id)},${answer}${marksOf(prediction)}}`;
}

/** What is said of an answer that is not as usual, to be put behind it. */
function marksOf(prediction: Prediction): string {
  const { endpoint, named, fallback, standIn, cached } = prediction;
  const isPlanned = Boolean(endpoint.routed.features);
  // Whoever reports rewards to a contextual bandit, or for several arms, reports it with them.
  const isDrawn = !named && (endpoint.arms ?? endpoint.candidate?.policy) !== undefined;
  if (!(standIn || fallback || cached || isDrawn || isPlanned)) return '';
  const marks = JSON.stringify({
    ...(standIn ? { fallback: standIn.by.by } : fallback ? { fallback: true } : {}),
    ...(cached ? { cached: true } : {}),
    ...(isDrawn ? { propensity: propensityOf(prediction) } : {}),
    ...(isPlanned ? { features: featuresOf(prediction) } : {}),
  });
  return `,${marks.slice(1, -1)}`;
}

/** The names of a routing table as texts of JSON. */
const QUOTED = new Map<string, string>();
const QUOTED_MAX = 1_000;

function quoted(name: string): string {
  let text = QUOTED.get(name);
  if (text === undefined) {
    if (QUOTED.size >= QUOTED_MAX) QUOTED.clear();
    text = JSON.stringify(name);
    QUOTED.set(name, text);
  }
  return text;
}

/** The features that were looked up for the answering revision; null where nothing was known. */
function featuresOf(prediction: Prediction): Record<string, number | null> {
  const live = answeringArm(prediction);
  const row = prediction.arm === 'candidate' ? (prediction.candidateRow ?? prediction.row) : prediction.row;
  if (row instanceof Error) return {};
  const found: Record<string, number | null> = {};
  for (const [i, { name, feature }] of live.numeric.entries()) {
    const value = row.numeric[i] as number;
    if (feature >= 0) found[name] = Number.isNaN(value) ? null : value;
  }
  return found;
}
