import { KedgeError } from '#core/errors';
import { isCancellation } from './errors.ts';
import type { LiveArm } from './live-endpoint.ts';

/** How often something happened, and how long it took in all, in milliseconds. */
export interface Duration {
  count: number;
  ms: number;
}

const zero = (): Duration => ({ count: 0, ms: 0 });

/** What one version of a model has done since the gateway started, in the terms of the protocol's statistics. */
export class ModelStatistics {
  readonly name: string;
  readonly version: string;
  /** Rows that were answered: 64 requests of one row and one of 64 rows both add 64. */
  inferenceCount = 0;
  /** Runs of the model. */
  executionCount = 0;
  /** Epoch milliseconds; 0 when there was none. */
  lastInference = 0;
  /** Requests that wait for a run at this moment, where it is declared how they wait. */
  pending = 0;
  /** Requests from their arrival until their answer left, and those that were refused or failed. */
  readonly success = zero();
  readonly fail = zero();
  /** Of those that failed: refused by the queue, and left by their client. */
  readonly rejected = zero();
  readonly cancelled = zero();
  /** From the arrival of a request until its run began. */
  readonly queue = zero();
  readonly computeInput = zero();
  readonly computeInfer = zero();
  readonly computeOutput = zero();
  /** Runs by their number of rows. */
  readonly batches = new Map<number, Duration>();

  constructor(name: string, version: string) {
    this.name = name;
    this.version = version;
  }

  /** Counts a run of `rows` rows. The time in the queue is counted a row or a request each, by the caller. */
  executed(rows: number, inferMs: number, now: number): void {
    this.inferenceCount += rows;
    this.executionCount += 1;
    this.lastInference = now;
    add(this.computeInfer, inferMs);
    const batch = this.batches.get(rows);
    if (batch) add(batch, inferMs);
    else if (this.batches.size < BATCH_SIZES_MAX) this.batches.set(rows, { count: 1, ms: inferMs });
  }
}

/** What one version has done, as it travels between processes. */
export type StatisticsData = Readonly<Omit<ModelStatistics, 'executed'>>;

/** Sizes of batches that are told apart. */
const BATCH_SIZES_MAX = 1_024;
/** Versions that are counted; more come only from scoring thousands of versions directly. */
const MODELS_MAX = 20_000;

export function add(duration: Duration, ms: number): void {
  duration.count += 1;
  duration.ms += ms;
}

const REJECTIONS = ['queue-full', 'queue-timeout'].map((name) => `gateway/${name}`);

/** Counts a request that was not answered, and why where that is told apart. */
export function addFailure(statistics: ModelStatistics, error: unknown, ms: number): void {
  add(statistics.fail, ms);
  if (isCancellation(error)) add(statistics.cancelled, ms);
  else if (error instanceof KedgeError && REJECTIONS.includes(error.code)) add(statistics.rejected, ms);
}

/** The statistics of everything that this gateway has served. */
export class StatisticsBook {
  readonly #models = new Map<string, ModelStatistics>();
  readonly #arms = new WeakMap<LiveArm, ModelStatistics>();
  /** Most rows are of the arm that the row before them was of. */
  #last: { readonly arm: LiveArm; readonly statistics: ModelStatistics } | undefined;

  of(name: string, version: string): ModelStatistics {
    const key = `${name}\n${version}`;
    let found = this.#models.get(key);
    if (!found) {
      found = new ModelStatistics(name, version);
      if (this.#models.size < MODELS_MAX) this.#models.set(key, found);
    }
    return found;
  }

  /** Of a revision as an endpoint serves it. Costs next to nothing, as it is asked for every row. */
  ofArm(arm: LiveArm, endpoint: string): ModelStatistics {
    if (this.#last?.arm === arm) return this.#last.statistics;
    const statistics = this.#arms.get(arm) ?? this.of(endpoint, String(arm.arm.version));
    this.#arms.set(arm, statistics);
    this.#last = { arm, statistics };
    return statistics;
  }

  all(): Iterable<ModelStatistics> {
    return this.#models.values();
  }
}
