import { messageOf } from '#core/errors';
import type { System } from '#core/system';
import type { QueueWish } from './batching/batch-policy.ts';
import { drawArm } from './draw-for.ts';
import { gatewayErrors, invalidField } from './errors.ts';
import type { FeatureReader, FeatureRow } from './feature-reader.ts';
import type { LiveEndpoint } from './live-endpoint.ts';
import { answeringArm, type OnGone, type Prediction, type Reply, replyTo, rowFor } from './prediction.ts';
import type { Caller } from './protection/access/caller.ts';
import { type AnswerCache, answerKey } from './protection/cache/answer-cache.ts';
import type { Leave } from './protection/endpoint-protection.ts';
import { checkAgainst, type Instance, type Row, readRow } from './read-instance.ts';
import type { Scorer } from './scorer.ts';
import type { TensorWork } from './tensor-prediction.ts';
import type { WatchedRequest } from './watch/request-watch.ts';

export interface PredictorOptions {
  readonly scorer: Scorer;
  readonly features: FeatureReader | undefined;
  readonly system: System;
}

/** One request: the instances of an endpoint, and what to do with their predictions. */
export interface PredictRequest {
  readonly endpoint: LiveEndpoint;
  readonly caller: Caller | undefined;
  readonly instances: readonly Instance[];
  /** Leads to an instance in error messages: `''`, or `instances` of a batch. */
  readonly path: string;
  /** Of an endpoint that is called by tensors: what its one instance gives and asks for. */
  readonly tensors?: TensorWork | undefined;
  /** Of a gateway that watches requests. */
  readonly watched?: WatchedRequest | undefined;
  /** What it asks of the queue, where the endpoint has one. */
  readonly wish?: QueueWish | undefined;
  readonly onGone?: OnGone | undefined;
  readonly finish: (predictions: readonly Prediction[]) => void;
  readonly fail: (error: unknown) => void;
}

interface Arrived extends Pick<Prediction, 'receivedAt' | 'startedMs'> {
  readonly rows: readonly FeatureRow[] | undefined;
}

/** Turns checked requests into predictions: looks features up, draws the arm, and hands them to the scorer. */
export class Predictor {
  readonly #options: PredictorOptions;

  constructor(options: PredictorOptions) {
    this.#options = options;
  }

  /**
   * Ends in exactly one call of `finish` or `fail`. Stays in this turn of the event loop if the features and the
   * protection of the endpoint do.
   */
  predict(given: PredictRequest): void {
    const request = given.watched ? given.watched.watching(given) : given;
    const { endpoint, caller, instances, tensors, fail } = request;
    if (!endpoint.protection) {
      this.#begin(request);
      return;
    }
    try {
      const entered = endpoint.protection.admit({ caller, rows: tensors?.rows ?? instances.length });
      if (entered instanceof Promise) entered.then((leave) => this.#begin(leaving(request, leave))).catch(fail);
      else this.#begin(leaving(request, entered));
    } catch (error) {
      fail(error);
    }
  }

  #begin(request: PredictRequest): void {
    const { endpoint, instances, path, tensors, finish, fail, wish, onGone, watched } = request;
    const { clock } = this.#options.system;
    const receivedAt = clock.now();
    const startedMs = clock.monotonic();
    const reply = replyTo({ waiting: instances.length, finish, wish, onGone, watched });
    try {
      refuseOtherForm(endpoint, tensors);
      for (let i = 0; i < instances.length; i++) checkAgainst(endpoint, instances[i] as Instance, pathOf(path, i));
      const rows = this.#features(endpoint, instances, receivedAt);
      if (rows instanceof Promise) {
        rows.then((found) => this.#submit(request, reply, { rows: found, receivedAt, startedMs })).catch(fail);
      } else {
        this.#submit(request, reply, { rows, receivedAt, startedMs });
      }
    } catch (error) {
      fail(error);
    }
  }

  /** Goes on with the rows that feature views delivered, if there are any. */
  #submit({ endpoint, instances, path, tensors, fail }: PredictRequest, reply: Reply, arrived: Arrived): void {
    const { rows, receivedAt, startedMs } = arrived;
    for (let i = 0; i < instances.length; i++) {
      const source = { features: rows?.[i], path: pathOf(path, i) };
      const context = { source, tensors, reply, receivedAt, startedMs };
      reply.predictions[i] = this.#prediction(endpoint, instances[i] as Instance, context);
    }
    const cache = endpoint.protection?.cache;
    if (cache && !tensors && (!endpoint.observer || cache.duringRollouts)) this.#submitKnown(reply, cache, fail);
    else this.#options.scorer.submit(reply.predictions);
  }

  /** Looks for kept answers first, and has new ones kept. */
  #submitKnown(reply: Reply, cache: AnswerCache, fail: (error: unknown) => void): void {
    const { predictions, finish } = reply;
    const keys = predictions.map((prediction) => keyOf(prediction));
    reply.finish = (answered) => {
      for (const [i, { error, standIn, fallback, cached, score }] of answered.entries()) {
        const key = keys[i];
        if (key !== undefined && !error && !standIn && !fallback && !cached) cache.keep(key, score);
      }
      finish(answered);
    };
    const submit = (scores: readonly (number | undefined)[]): void => {
      for (const [i, prediction] of predictions.entries()) {
        prediction.score = scores[i] ?? Number.NaN;
        prediction.cached = scores[i] !== undefined;
      }
      this.#options.scorer.submit(predictions);
    };
    const found = cache.find(keys);
    if (found instanceof Promise) found.then(submit).catch(fail);
    else submit(found);
  }

  #prediction(
    endpoint: LiveEndpoint,
    instance: Instance,
    context: Pick<Prediction, 'reply' | 'receivedAt' | 'startedMs' | 'tensors'> & {
      source: Parameters<typeof readRow>[2];
    },
  ): Prediction {
    const { source, reply, receivedAt, startedMs, tensors } = context;
    const { sticky } = endpoint.routed.live ?? {};
    const key = sticky ? instance.entities?.[sticky] : undefined;
    const id = instance.id ?? this.#options.system.ids.next('pred');
    const row = instance.row ?? readRow(endpoint.current, instance, source);
    const drawn = key === undefined ? id : `${endpoint.routed.rollout}/${key}`;
    const { arm, candidate, propensity, chosenBy, counts } = drawArm(endpoint, { instance, row, drawn });
    if (counts) endpoint.observer?.assigned(candidate && arm === 'candidate' ? candidate.name : 'current', key);
    return {
      endpoint,
      candidate,
      id,
      at: instance.at ?? receivedAt,
      receivedAt,
      startedMs,
      entities: instance.entities,
      row,
      candidateRow:
        candidate && !candidate.sameInputs ? rowOrError(() => readRow(candidate, instance, source)) : undefined,
      reply,
      arm,
      named: chosenBy !== undefined,
      chosenBy,
      propensity,
      score: Number.NaN,
      error: undefined,
      fallback: undefined,
      standIn: undefined,
      cached: false,
      tensors,
      nodes: undefined,
      work: undefined,
    };
  }

  /**
   * The feature row of each instance where there are views, in this turn when the store can. Throws
   * `gateway/features-unavailable`.
   */
  #features(
    endpoint: LiveEndpoint,
    instances: readonly Instance[],
    receivedAt: number,
  ): readonly FeatureRow[] | undefined | Promise<readonly FeatureRow[]> {
    const plan = endpoint.routed.features;
    if (!plan || plan.views.length === 0) return undefined;
    const { features } = this.#options;
    if (!features) throw gatewayErrors['features-unavailable']('this gateway has no online feature store');
    const unavailable = (error: unknown): never => {
      throw gatewayErrors['features-unavailable'](messageOf(error));
    };
    try {
      const rows = instances.map(({ entities, at }) => features.read(plan, entities ?? {}, at ?? receivedAt));
      if (!rows.some((row) => row instanceof Promise)) return rows as FeatureRow[];
      return Promise.all(rows).catch(unavailable);
    } catch (error) {
      return unavailable(error);
    }
  }
}

/** A model of tensors has no rows, and one of columns no tensors. */
function refuseOtherForm({ current, routed }: LiveEndpoint, tensors: TensorWork | undefined): void {
  if (!current.tensors || tensors) return;
  const { name } = routed;
  throw gatewayErrors['invalid-request'](
    `endpoint '${name}' answers with a model of tensors: call POST /v2/models/${name}/infer`,
  );
}

function keyOf(prediction: Prediction): string {
  const arm = answeringArm(prediction);
  const row = rowFor(prediction, arm);
  // A row that only the candidate lacks has no answer, and a key that nobody else has.
  return row instanceof Error ? `no row: ${prediction.id}` : answerKey(arm, row);
}

/** The request, with its place given back when it ends. */
function leaving(request: PredictRequest, leave: Leave): PredictRequest {
  return {
    ...request,
    finish(predictions) {
      leave(!predictions.some(({ error }) => error));
      request.finish(predictions);
    },
    fail(error) {
      leave(false);
      request.fail(error);
    },
  };
}

/** A row that only the candidate lacks is the candidate's failure, not the caller's. */
function rowOrError(read: () => Row): Row | Error {
  try {
    return read();
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}

function pathOf(path: string, index: number): string {
  return path === '' ? '' : `${path}.${index}`;
}

/** The instances of a batch body. Throws `gateway/invalid-request` past the limit. */
export function batchInstances(value: unknown, instancesMax: number): readonly unknown[] {
  if (!Array.isArray(value)) throw invalidField('instances', 'expected an array');
  if (value.length >= 1 && value.length <= instancesMax) return value;
  throw invalidField('instances', `has ${value.length} instances; expected 1 to ${instancesMax}`);
}
