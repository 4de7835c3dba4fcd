import type { Clock } from '#core/clock';
import { Batcher, type QueueOf } from './batching/batcher.ts';
import type { Place } from './batching/waiting-requests.ts';
import type { Work } from './prediction.ts';
import type { ModelCache } from './runtime/model-cache.ts';
import type { ModelFile, NodeRun } from './runtime/model-runtime.ts';
import { ROWS_PER_RUN_MAX, scoreRows } from './score-rows.ts';
import type { Item } from './scorer-work.ts';
import { WaitingRows } from './waiting-rows.ts';

export interface RowRunsOptions {
  readonly cache: Pick<ModelCache, 'ready' | 'load'>;
  readonly clock: Clock;
  readonly scored: (items: readonly Item[], scores: Float32Array, startedMs: number) => void;
  readonly fail: (item: Item, error: unknown) => void;
  /** The item is not answered in this turn. May be told more than once. */
  readonly waits: (item: Item) => void;
  /** A run has ended in a turn of its own. */
  readonly afterRun: () => void;
}

/** Has rows run by the models that are to score them: in this turn where a model can, when it is free otherwise. */
export class RowRuns {
  readonly #options: RowRunsOptions;
  /** Runs in work of models that answer later, and what waits for them meanwhile. */
  readonly #working = new Map<string, number>();
  readonly #waiting = new Map<string, WaitingRows<Item>>();
  /** Rows of endpoints that declare how they wait. */
  readonly #batcher: Batcher<Item>;
  /** Models that are being loaded. */
  readonly #loading = new Set<string>();

  constructor(options: RowRunsOptions) {
    this.#options = options;
    this.#batcher = new Batcher({
      clock: options.clock,
      joins: () => true,
      free: ({ arm: { file } }) => !this.#loading.has(file.key) && this.#isFree(file),
      run: (items) => this.#run(items),
      waits: options.waits,
      refuse: options.fail,
      afterTimer: options.afterRun,
    });
  }

  /** Has a row wait as its endpoint declares. Nothing runs before {@link turn}. */
  join(item: Item, queue: QueueOf, place: Place): void {
    this.#batcher.add(item, queue, { rows: 1, queuedMs: item.queuedMs, place });
  }

  /** The turn is over in which rows came. */
  turn(): void {
    this.#batcher.turn();
  }

  /** From now on nothing waits for others to join its run: the gateway closes. */
  hurry(): void {
    this.#batcher.hurry();
  }

  /** Takes out a row that nobody waits for any more. False when it waits for no turn of its own. */
  remove(work: Work): boolean {
    const item = work as Item;
    return this.#batcher.remove(item) || (this.#waiting.get(item.arm.file.key)?.remove(item) ?? false);
  }

  /** Runs items of one model, in runs of at most the rows that one may have. */
  runAll(items: readonly Item[]): void {
    const rowsMax = items[0]?.prediction.endpoint.batching?.rowsMax ?? ROWS_PER_RUN_MAX;
    for (let from = 0; from < items.length; from += rowsMax) {
      this.#run(items.length <= rowsMax ? items : items.slice(from, from + rowsMax));
    }
  }

  /** Runs one batch, of items of one model. An inline runtime settles them before this returns. */
  #run(items: readonly Item[]): void {
    const { file } = (items[0] as Item).arm;
    const { key } = file;
    if (!this.#isFree(file)) {
      this.#wait(key, items);
      return;
    }
    const runtime = this.#options.cache.ready(file);
    if (!runtime) {
      this.#runLater(items);
      return;
    }
    const startedMs = this.#options.clock.monotonic();
    const trace: NodeRun[] | undefined = runtime.kind === 'graph' ? [] : undefined;
    let result: Float32Array | Promise<Float32Array>;
    try {
      result = scoreRows(runtime, items, trace);
    } catch (error) {
      this.#runSingly(items, error);
      return;
    }
    if (result instanceof Float32Array) {
      this.#options.scored(items, result, startedMs);
      return;
    }
    this.#working.set(key, (this.#working.get(key) ?? 0) + 1);
    for (const item of items) {
      item.isRunning = true;
      this.#options.waits(item);
    }
    result.then(
      (scores) => {
        if (trace) for (const { prediction, purpose } of items) if (purpose === 'answer') prediction.nodes = trace;
        this.#options.scored(items, scores, startedMs);
        this.#runNext(key);
      },
      (error) => {
        this.#runSingly(items, error);
        this.#runNext(key);
      },
    );
  }

  #isFree(file: ModelFile): boolean {
    const working = this.#working.get(file.key) ?? 0;
    return working === 0 || working < (this.#options.cache.ready(file)?.concurrency ?? 1);
  }

  #wait(key: string, items: readonly Item[]): void {
    const waiting = this.#waiting.get(key) ?? new WaitingRows();
    this.#waiting.set(key, waiting);
    waiting.add(items);
    for (const item of items) {
      item.isRunning = false;
      this.#options.waits(item);
    }
  }

  /** A model has ended a run: gives it what has waited longest, if there is anything. */
  #runNext(key: string): void {
    const working = (this.#working.get(key) ?? 1) - 1;
    if (working > 0) this.#working.set(key, working);
    else this.#working.delete(key);
    while ((this.#working.get(key) ?? 0) === working && this.#runOldest(key));
    this.#options.afterRun();
  }

  /** Runs what has waited longest for a model. False when nothing may run now. */
  #runOldest(key: string): boolean {
    const waiting = this.#waiting.get(key);
    const sinceMs = waiting?.oldest?.queuedMs;
    if (waiting && sinceMs === undefined) this.#waiting.delete(key);
    if (waiting && sinceMs !== undefined && sinceMs <= this.#batcher.sinceMs(key)) {
      this.#run(waiting.takeRun());
      return true;
    }
    return this.#batcher.begin(key);
  }

  /** Loads the model first. Its items are late or fail meanwhile like those of a slow model. */
  #runLater(items: readonly Item[]): void {
    const { file } = (items[0] as Item).arm;
    const waiting = (): Item[] => items.filter((item) => !item.settled);
    const go = (begin: (left: readonly Item[]) => void): void => {
      this.#loading.delete(file.key);
      begin(waiting());
      this.#batcher.pump(file.key);
      this.#options.afterRun();
    };
    this.#loading.add(file.key);
    for (const item of items) {
      item.isRunning = false;
      this.#options.waits(item);
    }
    this.#options.cache.load(file).then(
      () =>
        go((left) => {
          if (left.length > 0) this.#run(left);
        }),
      (error) =>
        go((left) => {
          for (const item of left) this.#options.fail(item, error);
        }),
    );
  }

  #runSingly(items: readonly Item[], error: unknown): void {
    const left = items.filter((item) => !item.settled);
    if (items.length > 1) for (const item of left) this.#run([item]);
    else for (const item of left) this.#options.fail(item, error);
  }
}
