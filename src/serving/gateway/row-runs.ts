import type { Clock } from '#core/clock';
import type { ModelCache } from './runtime/model-cache.ts';
import type { NodeRun } from './runtime/model-runtime.ts';
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

  constructor(options: RowRunsOptions) {
    this.#options = options;
  }

  /** Takes out a row that nobody waits for any more. */
  remove(item: Item): void {
    this.#waiting.get(item.arm.file.key)?.remove(item);
  }

  /** Runs items of one model, in runs of at most the rows that one may have. */
  runAll(items: readonly Item[]): void {
    for (let from = 0; from < items.length; from += ROWS_PER_RUN_MAX) {
      this.#run(items.length <= ROWS_PER_RUN_MAX ? items : items.slice(from, from + ROWS_PER_RUN_MAX));
    }
  }

  /** Runs one batch, of items of one model. An inline runtime settles them before this returns. */
  #run(items: readonly Item[]): void {
    const { file } = (items[0] as Item).arm;
    const { key } = file;
    const working = this.#working.get(key) ?? 0;
    if (working > 0 && working >= (this.#options.cache.ready(file)?.concurrency ?? 1)) {
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
    this.#working.set(key, working + 1);
    for (const item of items) this.#options.waits(item);
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

  #wait(key: string, items: readonly Item[]): void {
    const waiting = this.#waiting.get(key) ?? new WaitingRows();
    this.#waiting.set(key, waiting);
    waiting.add(items);
    for (const item of items) this.#options.waits(item);
  }

  /** A model has ended a run: gives it what has waited longest, if there is anything. */
  #runNext(key: string): void {
    const working = (this.#working.get(key) ?? 1) - 1;
    if (working > 0) this.#working.set(key, working);
    else this.#working.delete(key);
    while ((this.#working.get(key) ?? 0) === working) {
      const next = this.#waiting.get(key)?.takeRun() ?? [];
      if (next.length === 0) {
        this.#waiting.delete(key);
        break;
      }
      this.#run(next);
    }
    this.#options.afterRun();
  }

  /** Loads the model first. Its items are late or fail meanwhile like those of a slow model. */
  #runLater(items: readonly Item[]): void {
    for (const item of items) this.#options.waits(item);
    const waiting = (): Item[] => items.filter((item) => !item.settled);
    this.#options.cache.load((items[0] as Item).arm.file).then(
      () => {
        const left = waiting();
        if (left.length > 0) this.#run(left);
        this.#options.afterRun();
      },
      (error) => {
        for (const item of waiting()) this.#options.fail(item, error);
        this.#options.afterRun();
      },
    );
  }

  #runSingly(items: readonly Item[], error: unknown): void {
    const left = items.filter((item) => !item.settled);
    if (items.length > 1) for (const item of left) this.#run([item]);
    else for (const item of left) this.#options.fail(item, error);
  }
}
