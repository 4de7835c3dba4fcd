import type { Clock } from '#core/clock';
import { answeringRevision, armNameOf, type Prediction } from '../prediction.ts';
import type { PredictRequest } from '../predictor.ts';
import type { Caller } from '../protection/access/caller.ts';
import { accessLine } from './access-line.ts';
import { recordSpan } from './request-span.ts';

export interface RequestWatchOptions {
  readonly clock: Clock;
  /** Takes a line of the access log for each request; absent writes none. */
  readonly line?: ((line: string) => void) | undefined;
  /** Whether requests that ask a model become spans. */
  readonly spans: boolean;
}

/** What is known of a request when it begins. */
export interface RequestHead {
  readonly protocol: 'http' | 'grpc';
  readonly method: string;
  /** Without query. */
  readonly path: string;
  /** A header by its name in small letters. */
  readonly header: (name: string) => string | undefined;
}

/** How a request was answered. */
export interface RequestEnd {
  /** The status of HTTP, or that of gRPC. */
  readonly status: number;
  /** Of the answer's body; undefined where it is not counted. */
  readonly bytes?: number | undefined;
  /** The client left before it was answered in full. */
  readonly aborted?: boolean;
}

/** A run of a model: monotonic milliseconds. */
interface Run {
  readonly queuedMs: number;
  readonly startedMs: number;
  readonly endedMs: number;
}

const WATCHED = Symbol('watched');
/** A request of some protocol. What watches it is kept on it: a weak map would burden every garbage collection. */
type Watchable = object & { [WATCHED]?: WatchedRequest };

/** Runs that become spans; a request of a thousand rows has more than anybody reads. */
const RUNS_MAX = 16;

/**
 * Watches requests for the access log and for traces. A gateway without either has no watch, and its requests find that
 * out by one look at a field.
 */
export class RequestWatch {
  readonly options: RequestWatchOptions;

  constructor(options: RequestWatchOptions) {
    this.options = options;
  }

  /** A request has begun. */
  begin(head: RequestHead): WatchedRequest {
    return new WatchedRequest(this.options, head);
  }

  /** The same, to be found again by `request`, whatever that is to its protocol. */
  beginFor(request: Watchable, head: RequestHead): WatchedRequest {
    const watched = this.begin(head);
    request[WATCHED] = watched;
    return watched;
  }

  /** That request has come to the handler of `model`, which it asks. */
  asks(request: Watchable, model: string, caller: Caller | undefined): WatchedRequest | undefined {
    return request[WATCHED]?.asks(model, caller);
  }
}

/** One request from its beginning until it is answered. */
export class WatchedRequest {
  readonly head: RequestHead;
  readonly startedAt: number;
  readonly startedMs: number;
  /** The endpoint or model that is asked; undefined while none is. */
  model: string | undefined;
  caller: Caller | undefined;
  /** Of the first prediction. */
  revision: string | undefined;
  arm: string | undefined;
  prediction: string | undefined;
  endpoint: string | undefined;
  rows = 0;
  readonly runs: Run[] = [];
  readonly #options: RequestWatchOptions;
  #ended = false;

  constructor(options: RequestWatchOptions, head: RequestHead) {
    this.#options = options;
    this.head = head;
    this.startedAt = options.clock.now();
    this.startedMs = options.clock.monotonic();
  }

  asks(model: string, caller: Caller | undefined): this {
    this.model = model;
    this.caller = caller;
    return this;
  }

  /** A request for predictions, with its answer told here as well. */
  watching(request: PredictRequest): PredictRequest {
    this.endpoint = request.endpoint.routed.name;
    return {
      ...request,
      finish: (predictions) => {
        this.#predicted(predictions);
        request.finish(predictions);
      },
    };
  }

  /** A model that is addressed without an endpoint. */
  asked(revision: string): void {
    this.revision = revision;
  }

  #predicted(predictions: readonly Prediction[]): void {
    const [first] = predictions;
    if (!first) return;
    this.revision = answeringRevision(first);
    this.arm = armNameOf(first);
    this.prediction = first.id;
    this.rows = predictions.length;
  }

  /** Rows of the request were in a run of a model. */
  ran(run: Run): void {
    const last = this.runs.at(-1);
    // Rows of one request are mostly of one run.
    if (last?.startedMs !== run.startedMs && this.runs.length < RUNS_MAX) this.runs.push(run);
  }

  /** The request is answered. Only the first call counts. */
  end(end: RequestEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    const { clock, line, spans } = this.#options;
    const endedMs = clock.monotonic();
    const traceId = spans && this.model !== undefined ? recordSpan(this, end, endedMs) : undefined;
    line?.(accessLine(this, end, { tookMs: endedMs - this.startedMs, traceId }));
  }
}
