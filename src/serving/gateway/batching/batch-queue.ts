import type { BatchPolicy } from './batch-policy.ts';
import type { Place } from './waiting-requests.ts';

/** Something that waits for a run: a row, or a request of several. */
export interface Entry<Item> {
  readonly item: Item;
  readonly rows: number;
  /** Monotonic milliseconds. */
  readonly queuedMs: number;
  readonly place: Place;
}

interface Level<Item> {
  readonly inTime: Set<Entry<Item>>;
  /** Past the time that they may wait, and not refused. */
  readonly delayed: Set<Entry<Item>>;
}

/**
 * What waits for one model under one policy. Lower levels go first, and within one who came first; who is delayed goes
 * after those of the same level that are in time.
 */
export class BatchQueue<Item> {
  /** That of the newest request. */
  policy: BatchPolicy;
  /** Nobody else is waited for any more. */
  isHurried = false;
  readonly #joins: (first: Item, other: Item) => boolean;
  readonly #levels: Level<Item>[] = [];
  /** In the order in which they came. */
  readonly #all = new Set<Entry<Item>>();

  constructor(policy: BatchPolicy, joins: (first: Item, other: Item) => boolean) {
    this.policy = policy;
    this.#joins = joins;
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  /** Since when the one that came first waits; `Infinity` when nobody does. */
  get sinceMs(): number {
    for (const { queuedMs } of this.#all) return queuedMs;
    return Number.POSITIVE_INFINITY;
  }

  /** When a run begins at the latest, if the model is free. */
  get dueMs(): number {
    return this.sinceMs + (this.isHurried ? 0 : this.policy.delayMs);
  }

  add(entry: Entry<Item>): void {
    this.#all.add(entry);
    this.#levelOf(entry).inTime.add(entry);
  }

  remove(entry: Entry<Item>): void {
    this.#all.delete(entry);
    const { inTime, delayed } = this.#levelOf(entry);
    if (!inTime.delete(entry)) delayed.delete(entry);
  }

  delay(entry: Entry<Item>): void {
    const { inTime, delayed } = this.#levelOf(entry);
    if (inTime.delete(entry)) delayed.add(entry);
  }

  /** The next run, if one is to begin at `nowMs`; empty otherwise. It takes nothing out. */
  nextRun(nowMs: number): readonly Entry<Item>[] {
    const { rowsMax, preferred } = this.policy;
    const run: Entry<Item>[] = [];
    let rows = 0;
    let preferredEnd = 0;
    let isWhole = false;
    for (const entry of this.#inOrder()) {
      const [first] = run;
      isWhole = first !== undefined && (rows + entry.rows > rowsMax || !this.#joins(first.item, entry.item));
      if (isWhole) break;
      run.push(entry);
      rows += entry.rows;
      if (preferred.includes(rows)) preferredEnd = run.length;
      if (rows >= rowsMax) break;
    }
    if (preferredEnd > 0) return run.slice(0, preferredEnd);
    return isWhole || rows >= rowsMax || this.dueMs <= nowMs ? run : [];
  }

  *#inOrder(): Iterable<Entry<Item>> {
    for (const level of this.#levels) {
      if (!level) continue;
      yield* level.inTime;
      yield* level.delayed;
    }
  }

  #levelOf({ place }: Entry<Item>): Level<Item> {
    while (this.#levels.length <= place.level) this.#levels.push({ inTime: new Set(), delayed: new Set() });
    return this.#levels[place.level] as Level<Item>;
  }
}
