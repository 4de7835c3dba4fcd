import { wishOfHeaders } from '../batching/queue-wish.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import type { LiveArm, LiveEndpoint } from '../live-endpoint.ts';
import { armAsked, namedArm } from '../named-arm.ts';
import { answeringArm, answeringRevision, armNameOf, type Prediction, propensityOf } from '../prediction.ts';
import { batchInstances } from '../predictor.ts';
import { type Instance, readInstance } from '../read-instance.ts';
import type { WatchedRequest } from '../watch/request-watch.ts';
import { type Exchange, expected, parseJson, sendJson, sendProblem, setLifecycleHeaders } from './http-io.ts';
import type { HttpResponse } from './http-message.ts';
import { plainBodyOf } from './plain/plain-body.ts';
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
      predict(parts, name, { body, request, response, caller, watched, fail });
    } catch (error) {
      fail(error);
    }
  };
  // Nothing is kept of a body: what it says is taken out of it at once.
  const glance = (body: Buffer): boolean => {
    done(body);
    return true;
  };
  request.readBody({ bytesMax: parts.limits.bodyBytesMax, budget: parts.bodies }, { glance, done, fail });
}

interface Call extends Exchange {
  readonly body: Buffer;
  readonly watched: WatchedRequest | undefined;
  readonly fail: (error: unknown) => void;
}

function predict(parts: GatewayParts, name: string, call: Call): void {
  const { request, response, caller, watched, fail } = call;
  const endpoint = parts.router.endpoint(parts.router.nameFor(name, caller?.tenant));
  setLifecycleHeaders(response, endpoint);
  const named = namedArm(
    endpoint,
    armAsked((header) => request.headers[header]),
  );
  const wish = wishOfHeaders(request.headers);
  const onGone = (listener: () => void): void => response.onGone(listener);
  const { one, several } = instancesOf(parts, endpoint, call.body);
  if (several) {
    const instances = named ? several.map((instance) => ({ ...instance, ...named })) : several;
    const finish = (all: readonly Prediction[]): void => answerBatch(response, all);
    parts.predictor.predict({ endpoint, caller, watched, instances, path: 'instances', finish, fail, wish, onGone });
    return;
  }
  const instances = [named ? { ...one, ...named } : one];
  const finish = ([prediction]: readonly Prediction[]): void => {
    if (!prediction) return;
    if (prediction.error) fail(prediction.error);
    else sendJson(response, 200, answerOf(prediction));
  };
  parts.predictor.predict({ endpoint, caller, watched, instances, path: '', finish, fail, wish, onGone });
}

type Instances =
  | { readonly one: Instance; readonly several?: undefined }
  | { readonly one?: undefined; readonly several: readonly Instance[] };

/** What a body asks for: one prediction, or several. */
function instancesOf(parts: GatewayParts, endpoint: LiveEndpoint, bytes: Buffer): Instances {
  const plain = plainBodyOf(endpoint);
  const read = plain?.read(bytes);
  if (read) return { one: read };
  const body = parseJson(bytes);
  if (body !== null && typeof body === 'object' && 'instances' in body) {
    const values = batchInstances(body.instances, parts.limits.instancesMax);
    return { several: values.map((value, i) => readInstance(value, `instances.${i}`)) };
  }
  const one = readInstance(body, '');
  plain?.learn(one.inputs);
  return { one };
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
  return `{"id":${JSON.stringify(prediction.id)}${namesOf(prediction)}${prediction.score}}${marksOf(prediction)}}`;
}

/** By the arm that answered. Where something stood in for it the names are others. */
const NAMES = new WeakMap<LiveArm, string>();

/** What an answer has between its id and its score. */
function namesOf(prediction: Prediction): string {
  const arm = answeringArm(prediction);
  const known = prediction.standIn ? undefined : NAMES.get(arm);
  if (known !== undefined) return known;
  const names = JSON.stringify({
    endpoint: prediction.endpoint.routed.name,
    revision: answeringRevision(prediction),
    arm: armNameOf(prediction),
    output: { [arm.arm.signature.output]: 0 },
  });
  const text = `,${names.slice(1, -'0}}'.length)}`;
  if (!prediction.standIn) NAMES.set(arm, text);
  return text;
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
