import type { Clock } from '#core/clock';
import { gatewayErrors, later } from '../errors.ts';
import type { BatchPolicy } from './batch-policy.ts';
import { BatchQueue, type Entry } from './batch-queue.ts';

export interface BatcherOptions<Item> {
  readonly clock: Clock;
  /** Whether items may share a run. */
  readonly joins: (first: Item, other: Item) => boolean;
  /** Whether the model of the item may begin a run. */
  readonly free: (item: Item) => boolean;
  readonly run: (items: readonly Item[]) => void;
  /** The item has to wait on after the turn in which it came. */
  readonly waits: (item: Item) => void;
  /** The item has waited longer than it may, and was taken out. */
  readonly refuse: (item: Item, error: Error) => void;
  /** A timer has begun runs, or refused what waited. */
  readonly afterTimer: () => void;
}

/** Which queue an item waits in. Queues of one model share its runs, the one that waits longest first. */
export interface QueueOf {
  readonly name: string;
  readonly model: string;
  readonly policy: BatchPolicy;
}

interface Queue<Item> {
  readonly key: string;
  readonly of: QueueOf;
  readonly waiting: BatchQueue<Item>;
  timer: { readonly dueMs: number; readonly cancel: () => void } | undefined;
}

interface Known<Item> {
  readonly queue: Queue<Item>;
  readonly entry: Entry<Item>;
  cancelTimer: (() => void) | undefined;
}

const RETRY_AFTER_MS = 1_000;

/** Has what waits run in batches: a queue for each policy and model, and a timer for what may wait on. */
export class Batcher<Item extends object> {
  readonly #options: BatcherOptions<Item>;
  readonly #queues = new Map<string, Queue<Item>>();
  readonly #byModel = new Map<string, Set<Queue<Item>>>();
  readonly #known = new Map<Item, Known<Item>>();
  /** What came in this turn. */
  #fresh: Item[] = [];
  #isHurried = false;

  constructor(options: BatcherOptions<Item>) {
    this.#options = options;
  }

  /** Has the item wait. Nothing runs before {@link turn}. */
  add(item: Item, of: QueueOf, entry: Omit<Entry<Item>, 'item'>): void {
    const queue = this.#queue(of);
    queue.waiting.policy = of.policy;
    const known = { queue, entry: { ...entry, item }, cancelTimer: undefined };
    this.#known.set(item, known);
    queue.waiting.add(known.entry);
    entry.place.joined();
    this.#fresh.push(item);
  }

  /** Takes out an item that nobody waits for any more. False when it does not wait. */
  remove(item: Item): boolean {
    const known = this.#known.get(item);
    if (!known) return false;
    this.#takeOut(known);
    this.#settle(known.queue);
    return true;
  }

  /** The turn is over in which items came: begins the runs that are due. */
  turn(): void {
    const fresh = this.#fresh;
    if (fresh.length === 0) return;
    this.#fresh = [];
    for (const model of new Set(fresh.map((item) => this.#known.get(item)?.queue.of.model))) {
      if (model !== undefined) this.pump(model);
    }
    for (const item of fresh) {
      const known = this.#known.get(item);
      if (!known) continue;
      this.#limit(known);
      this.#options.waits(item);
    }
  }

  /** From now on nothing waits for others to join its run: the gateway closes. */
  hurry(): void {
    this.#isHurried = true;
    for (const { waiting } of this.#queues.values()) waiting.isHurried = true;
    for (const model of [...this.#byModel.keys()]) this.pump(model);
    this.#options.afterTimer();
  }

  /** Begins the runs of a model for as long as it is free, and sees to those that are due later. */
  pump(model: string): void {
    while (this.begin(model));
  }

  /** Since when the next run of a model waits that may begin now; `Infinity` when there is none. */
  sinceMs(model: string): number {
    return this.#next(model)?.queue.waiting.sinceMs ?? Number.POSITIVE_INFINITY;
  }

  /** Begins one run of a model. False when it is not free, or nothing is due. */
  begin(model: string): boolean {
    const next = this.#next(model);
    if (!next || !this.#options.free((next.run[0] as Entry<Item>).item)) {
      for (const queue of this.#byModel.get(model) ?? []) this.#settle(queue);
      return false;
    }
    for (const { item } of next.run) this.#takeOut(this.#known.get(item) as Known<Item>);
    this.#settle(next.queue);
    this.#options.run(next.run.map(({ item }) => item));
    return true;
  }

  #next(model: string): { readonly queue: Queue<Item>; readonly run: readonly Entry<Item>[] } | undefined {
    const nowMs = this.#options.clock.monotonic();
    let found: { readonly queue: Queue<Item>; readonly run: readonly Entry<Item>[] } | undefined;
    for (const queue of this.#byModel.get(model) ?? []) {
      if (found && found.queue.waiting.sinceMs <= queue.waiting.sinceMs) continue;
      const run = queue.waiting.nextRun(nowMs);
      if (run.length > 0) found = { queue, run };
    }
    return found;
  }

  #takeOut(known: Known<Item>): void {
    this.#known.delete(known.entry.item);
    known.cancelTimer?.();
    known.queue.waiting.remove(known.entry);
    known.entry.place.left();
  }

  /** Sets the timer of a queue for when its next run is due, and forgets the queue once it is empty. */
  #settle(queue: Queue<Item>): void {
    const { waiting, of, key } = queue;
    const { dueMs } = waiting;
    const nowMs = this.#options.clock.monotonic();
    if (queue.timer && queue.timer.dueMs !== dueMs) {
      queue.timer.cancel();
      queue.timer = undefined;
    }
    if (waiting.isEmpty) {
      this.#queues.delete(key);
      const queues = this.#byModel.get(of.model);
      queues?.delete(queue);
      if (queues?.size === 0) this.#byModel.delete(of.model);
    } else if (dueMs > nowMs) {
      queue.timer ??= { dueMs, cancel: this.#options.clock.after(dueMs - nowMs, () => this.#fall(queue)) };
    }
  }

  #fall(queue: Queue<Item>): void {
    queue.timer = undefined;
    this.pump(queue.of.model);
    this.#options.afterTimer();
  }

  /** Sees to it that an item waits no longer than it may. */
  #limit(known: Known<Item>): void {
    const { entry, queue } = known;
    const { timeoutMs, whenLate } = entry.place;
    if (timeoutMs === Number.POSITIVE_INFINITY) return;
    const leftMs = entry.queuedMs + timeoutMs - this.#options.clock.monotonic();
    known.cancelTimer = this.#options.clock.after(leftMs, () => {
      if (whenLate === 'delay') {
        queue.waiting.delay(entry);
        return;
      }
      const { name, policy } = queue.of;
      this.remove(entry.item);
      const limit = `which is ${policy.names.timeout} or its own limit`;
      const why = `'${name}': the request has waited ${timeoutMs} ms, ${limit}`;
      this.#options.refuse(entry.item, later(gatewayErrors['queue-timeout'](why), RETRY_AFTER_MS));
      this.#options.afterTimer();
    });
  }

  #queue(of: QueueOf): Queue<Item> {
    const key = `${of.name}\n${of.model}`;
    const known = this.#queues.get(key);
    if (known) return known;
    const queue = { key, of, waiting: new BatchQueue<Item>(of.policy, this.#options.joins), timer: undefined };
    queue.waiting.isHurried = this.#isHurried;
    this.#queues.set(key, queue);
    const queues = this.#byModel.get(of.model) ?? new Set();
    this.#byModel.set(of.model, queues.add(queue));
    return queue;
  }
}
