import type { Clock } from '#core/clock';
import { KedgeError } from '#core/errors';
import type { BatchPolicy, QueueWish } from './batching/batch-policy.ts';
import { Batcher } from './batching/batcher.ts';
import { type Place, WaitingRequests } from './batching/waiting-requests.ts';
import { cancelled, gatewayErrors } from './errors.ts';
import type { OnGone } from './prediction.ts';
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
  /** Processes of this gateway, of which each bears its part of the requests that may wait; 1 unless told. */
  readonly processes?: number | undefined;
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
  /** How it waits for its run, where that is declared: at its place, or at one that it gets here. */
  readonly waits?: QueueWait | undefined;
  readonly onGone?: OnGone | undefined;
  /** Within the time that every request has. */
  readonly timeoutMs?: number;
}

interface QueueWait {
  readonly name: string;
  readonly policy: BatchPolicy;
  readonly place?: Place;
  readonly wish?: QueueWish | undefined;
}

interface Item extends TensorRequest {
  readonly rows: number;
  /** What requests have to share to be run together. */
  readonly key: string;
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
 * Where it is declared how requests wait, a model has as many runs in work as its runtime takes at once.
 */
export class TensorScorer {
  readonly #options: TensorScorerOptions;
  #queues = new Map<string, Item[]>();
  #scheduled = false;
  #inWork = 0;
  #drained: (() => void)[] = [];
  readonly #batcher: Batcher<Item>;
  readonly #requests: WaitingRequests;
  /** Runs in work that the batcher has begun, by model. */
  readonly #working = new Map<string, number>();

  constructor(options: TensorScorerOptions) {
    this.#options = options;
    this.#requests = new WaitingRequests(options.processes);
    this.#batcher = new Batcher({
      clock: options.clock,
      joins: (first, other) => first.served.maxBatchSize > 0 && first.key === other.key,
      free: (item) => this.#isFree(item),
      run: (items) => void this.#runInTurn(items),
      waits: (item) => item.onGone?.(() => this.#leave(item)),
      refuse: fail,
      afterTimer: () => undefined,
    });
  }

  get inWork(): number {
    return this.#inWork;
  }

  /** From now on nothing waits for others to join its run: the gateway closes. */
  hurry(): void {
    this.#batcher.hurry();
  }

  async drained(): Promise<void> {
    if (this.#inWork > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  /**
   * The wanted outputs. Rejects with `gateway/timeout`, `gateway/model-failed` or `gateway/model-unavailable`, where it
   * waits also with `gateway/queue-full`, `gateway/queue-timeout` or `gateway/cancelled`.
   */
  async infer(request: TensorRequest): Promise<Tensor[]> {
    const { clock } = this.#options;
    const { served, waits } = request;
    const timeoutMs = Math.min(this.#options.timeoutMs, request.timeoutMs ?? Number.POSITIVE_INFINITY);
    const rows = served.maxBatchSize > 0 ? (request.feeds[0]?.shape[0] ?? 1) : 1;
    const place = waits && (waits.place ?? this.#enter(served, waits));
    this.#inWork += 1;
    try {
      return await new Promise<Tensor[]>((resolve, reject) => {
        const queuedMs = clock.monotonic();
        const key = batchKey(request);
        const item: Item = { ...request, rows, key, queuedMs, settled: false, cancelTimer: undefined, resolve, reject };
        item.cancelTimer = clock.after(timeoutMs, () => {
          this.#batcher.remove(item);
          fail(item, gatewayErrors.timeout(`${nameOf(served)} did not answer within ${timeoutMs} ms`));
        });
        if (waits && place) this.#batcher.add(item, { ...waits, model: served.file.key }, { rows, queuedMs, place });
        else this.#enqueue(item);
        this.#schedule();
      });
    } finally {
      this.#inWork -= 1;
      if (this.#inWork === 0) for (const resolve of this.#drained.splice(0)) resolve();
    }
  }

  #enter({ model, version }: RepositoryVersion, { name, policy, wish }: QueueWait): Place {
    return this.#requests.enter(name, policy, { wish, counted: this.#options.statistics.of(model, version) });
  }

  #enqueue(item: Item): void {
    const queue = this.#queues.get(item.key);
    if (queue) queue.push(item);
    else this.#queues.set(item.key, [item]);
  }

  #schedule(): void {
    if (!this.#scheduled) setImmediate(() => this.#turn());
    this.#scheduled = true;
  }

  #turn(): void {
    this.#scheduled = false;
    const queues = this.#queues;
    this.#queues = new Map();
    for (const items of queues.values()) for (const batch of batchesOf(items)) void this.#run(batch);
    this.#batcher.turn();
  }

  #isFree({ served, waits }: Item): boolean {
    const working = this.#working.get(served.file.key) ?? 0;
    if (working === 0 || waits?.policy.ordered) return working === 0;
    return working < (this.#options.cache.readyTensors(served.file)?.concurrency ?? 1);
  }

  async #runInTurn(items: readonly Item[]): Promise<void> {
    const { key } = (items[0] as Item).served.file;
    this.#working.set(key, (this.#working.get(key) ?? 0) + 1);
    await this.#run(items);
    const working = (this.#working.get(key) ?? 1) - 1;
    if (working > 0) this.#working.set(key, working);
    else this.#working.delete(key);
    this.#batcher.pump(key);
  }

  /** The client has left: the request is taken out unless it has begun to run. */
  #leave(item: Item): void {
    if (this.#batcher.remove(item)) fail(item, cancelled());
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
      if (items.length === 1) for (const item of left) fail(item, error);
      // One after the other where requests wait in turn: the run is over when all of them are.
      else if (items[0]?.waits) for (const item of left) await this.#run([item]);
      else for (const item of left) void this.#run([item]);
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
function batchKey({ served, feeds, wanted, beside = false }: TensorRequest): string {
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
