import type { Clock } from '#core/clock';
import { KedgeError } from '#core/errors';
import { gatewayErrors } from './errors.ts';
import type { RepositoryVersion } from './repository/model-repository.ts';
import type { ModelCache } from './runtime/model-cache.ts';
import type { NodeRun, TensorRuntime } from './runtime/model-runtime.ts';
import { add, type ModelStatistics, type StatisticsBook } from './statistics.ts';
import { joinRows, rowsOf, sliceRows } from './tensors/rows.ts';
import type { Tensor } from './tensors/tensor.ts';
import type { WatchedRequest } from './watch/request-watch.ts';

export interface TensorScorerOptions {
  readonly cache: ModelCache;
  readonly clock: Clock;
  readonly statistics: StatisticsBook;
  readonly timeoutMs: number;
}

export interface TensorRequest {
  readonly served: RepositoryVersion;
  /** In the order of the model's inputs, each of which is there and fits. */
  readonly feeds: readonly Tensor[];
  readonly wanted: readonly string[];
  /** Takes what each node of a graph did. */
  readonly trace?: NodeRun[] | undefined;
  /** It is made beside an answer, which is nobody's inference. */
  readonly beside?: boolean;
  /** Learns when the model ran for it. */
  readonly watched?: WatchedRequest | undefined;
}

interface Item extends TensorRequest {
  readonly rows: number;
  readonly queuedMs: number;
  settled: boolean;
  cancelTimer: (() => void) | undefined;
  readonly resolve: (outputs: Tensor[]) => void;
  readonly reject: (error: unknown) => void;
}

const LOAD_ATTEMPTS_MAX = 20;

/**
 * Runs models of any tensors. Requests that arrive in one turn of the event loop, and differ in nothing but their rows,
 * are joined into one run of at most the model's batch; one that makes its run fail does not take the others with it.
 */
export class TensorScorer {
  readonly #options: TensorScorerOptions;
  #queues = new Map<string, Item[]>();
  #scheduled = false;
  #inWork = 0;
  #drained: (() => void)[] = [];

  constructor(options: TensorScorerOptions) {
    this.#options = options;
  }

  get inWork(): number {
    return this.#inWork;
  }

  async drained(): Promise<void> {
    if (this.#inWork > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  /** The wanted outputs. Rejects with `gateway/timeout`, `gateway/model-failed` or `gateway/model-unavailable`. */
  async infer(request: TensorRequest): Promise<Tensor[]> {
    const { clock, timeoutMs } = this.#options;
    const { served } = request;
    const rows = served.maxBatchSize > 0 ? (request.feeds[0]?.shape[0] ?? 1) : 1;
    this.#inWork += 1;
    try {
      return await new Promise<Tensor[]>((resolve, reject) => {
        const queuedMs = clock.monotonic();
        const item: Item = { ...request, rows, queuedMs, settled: false, cancelTimer: undefined, resolve, reject };
        item.cancelTimer = clock.after(timeoutMs, () =>
          fail(item, gatewayErrors.timeout(`${nameOf(served)} did not answer within ${timeoutMs} ms`)),
        );
        this.#enqueue(item);
      });
    } finally {
      this.#inWork -= 1;
      if (this.#inWork === 0) for (const resolve of this.#drained.splice(0)) resolve();
    }
  }

  #enqueue(item: Item): void {
    const key = batchKey(item);
    const queue = this.#queues.get(key);
    if (queue) queue.push(item);
    else this.#queues.set(key, [item]);
    if (!this.#scheduled) setImmediate(() => this.#turn());
    this.#scheduled = true;
  }

  #turn(): void {
    this.#scheduled = false;
    const queues = this.#queues;
    this.#queues = new Map();
    for (const items of queues.values()) for (const batch of batchesOf(items)) void this.#run(batch);
  }

  async #run(items: readonly Item[]): Promise<void> {
    const { cache, clock, statistics } = this.#options;
    const [{ served, wanted }] = items as [Item, ...Item[]];
    const counted = statistics.of(served.model, served.version);
    try {
      let runtime = cache.readyTensors(served.file);
      // Under pressure a model may leave again before its turn comes.
      for (let attempt = 0; !runtime && attempt < LOAD_ATTEMPTS_MAX; attempt++) {
        await cache.loadTensors(served.file);
        runtime = cache.readyTensors(served.file);
      }
      if (!runtime) throw gatewayErrors['model-unavailable'](`${nameOf(served)} left memory; try again`);
      const startedMs = clock.monotonic();
      const feeds = served.inputs.map((_, i) => joinRows(items.map((item) => item.feeds[i] as Tensor)));
      const joinedMs = clock.monotonic();
      const trace: NodeRun[] | undefined = items.some((item) => item.trace) ? [] : undefined;
      const outputs = await this.#answer(runtime, { feeds, wanted, served, trace });
      const answeredMs = clock.monotonic();
      const parts = split(items, outputs, served);
      for (const [i, item] of items.entries()) {
        if (trace) item.trace?.push(...trace);
        settle(item, parts[i] as Tensor[]);
      }
      if (items[0]?.beside) return;
      const rows = items.reduce((sum, item) => sum + item.rows, 0);
      this.#count(counted, { items, rows, startedMs, joinedMs, answeredMs });
    } catch (error) {
      const left = items.filter(({ settled }) => !settled);
      if (items.length > 1) for (const item of left) void this.#run([item]);
      else for (const item of left) fail(item, error);
    }
  }

  async #answer(
    runtime: TensorRuntime,
    { feeds, wanted, served, trace }: Pick<TensorRequest, 'feeds' | 'wanted' | 'served' | 'trace'>,
  ): Promise<Tensor[]> {
    try {
      return await runtime.run({ feeds, wanted, trace });
    } catch (error) {
      // What runs elsewhere tells failures of its own.
      if (error instanceof KedgeError) throw error;
      const message = error instanceof Error ? error.message : String(error);
      throw gatewayErrors['model-failed'](`${nameOf(served)}: ${message.slice(0, 500)}`);
    }
  }

  #count(counted: ModelStatistics, run: Run): void {
    const { clock } = this.#options;
    const { items, rows, startedMs, joinedMs, answeredMs } = run;
    for (const { queuedMs, watched } of items) {
      add(counted.queue, Math.max(0, startedMs - queuedMs));
      watched?.ran({ queuedMs, startedMs: joinedMs, endedMs: answeredMs });
    }
    add(counted.computeInput, joinedMs - startedMs);
    add(counted.computeOutput, clock.monotonic() - answeredMs);
    counted.executed(rows, answeredMs - joinedMs, clock.now());
  }
}

interface Run {
  readonly items: readonly Item[];
  readonly rows: number;
  readonly startedMs: number;
  readonly joinedMs: number;
  readonly answeredMs: number;
}

function nameOf({ model, version }: RepositoryVersion): string {
  return `${model}, version ${version}`;
}

/** What requests have to share to be run together. Those of a model without batches are each on their own. */
function batchKey({ served, feeds, wanted, beside = false }: Item): string {
  return JSON.stringify([served.file.key, served.model, beside, wanted, feeds.map(({ shape }) => shape.slice(1))]);
}

/** In order, each of at most the rows of the model's batch. */
function batchesOf(items: readonly Item[]): readonly (readonly Item[])[] {
  const batches: Item[][] = [];
  let rows = Number.POSITIVE_INFINITY;
  for (const item of items) {
    rows += item.rows;
    if (rows > item.served.maxBatchSize) {
      batches.push([]);
      rows = item.rows;
    }
    batches.at(-1)?.push(item);
  }
  return batches;
}

/** The share of each request in the outputs of a run. Throws when the model did not answer a row for each row. */
function split(items: readonly Item[], outputs: readonly Tensor[], served: RepositoryVersion): readonly Tensor[][] {
  const [only] = items;
  if (items.length === 1 && only && served.maxBatchSize === 0) return [[...outputs]];
  const rows = items.reduce((sum, item) => sum + item.rows, 0);
  const wrong = outputs.find((output) => rowsOf(output) !== rows);
  if (wrong) {
    const found = `'${wrong.name}' has ${rowsOf(wrong)} rows for ${rows}`;
    throw gatewayErrors['model-failed'](`${nameOf(served)}: ${found}`);
  }
  let from = 0;
  return items.map((item) => {
    const own = outputs.map((output) => sliceRows(output, from, from + item.rows));
    from += item.rows;
    return own;
  });
}

function settle(item: Item, outputs: Tensor[]): void {
  if (item.settled) return;
  item.settled = true;
  item.cancelTimer?.();
  item.resolve(outputs);
}

function fail(item: Item, error: unknown): void {
  if (item.settled) return;
  item.settled = true;
  item.cancelTimer?.();
  item.reject(error);
}
