import { checkEvents, checkTimes, type EventColumns, type QueryColumns } from './columns.ts';
import type { WindowPlan, WindowView } from './definition.ts';
import { entitiesOf } from './entities.ts';
import { type GroupedRows, groupRows, timeOrder } from './time-order.ts';

/** Event rows and query rows, checked once, with their time orders kept for all views. */
export class WindowTables {
  readonly events: EventColumns;
  readonly queries: QueryColumns;
  readonly #orders = new Map<Float64Array, Int32Array>();

  constructor(events: EventColumns, queries: QueryColumns) {
    checkEvents(events);
    checkTimes('queries.atMs', queries.atMs);
    this.events = events;
    this.queries = queries;
  }

  orderOf(times: Float64Array): Int32Array {
    const held = this.#orders.get(times);
    if (held) return held;
    const order = timeOrder(times);
    this.#orders.set(times, order);
    return order;
  }
}

/**
 * The windows of one entity at a time: its event rows in the order of the view's time axis, its query rows in time
 * order, and the bounds of every window among the event rows. The scratch arrays have the size of the largest entity
 * and are reused, so that what is in work stays in the processor's caches.
 */
export class EntityWindows {
  readonly entities: number;
  /** Of the loaded entity; position `p` below `rowCount` is the p-th of its event rows on the time axis. */
  rowCount = 0;
  queryCount = 0;
  readonly times: Float64Array;
  readonly queryTimes: Float64Array;
  /** Per query: the first position at or after the query's time. */
  readonly upper: Int32Array;
  /** Per window length and query: the first position inside the window. */
  readonly lower: readonly Int32Array[];
  readonly rowsMax: number;
  readonly queriesMax: number;
  readonly #windowsMs: readonly number[];
  readonly #axis: Float64Array;
  readonly #atMs: Float64Array;
  readonly #rows: GroupedRows;
  readonly #queries: GroupedRows;
  #rowStart = 0;
  #queryStart = 0;

  constructor(tables: WindowTables, view: WindowView, plan: WindowPlan) {
    const { events, queries } = tables;
    const entities = entitiesOf(view.keys, events, queries);
    this.entities = entities.count;
    this.#axis = view.time === 'known' ? events.knownMs : events.eventMs;
    this.#atMs = queries.atMs;
    this.#rows = groupRows(entities.events, entities.count, tables.orderOf(this.#axis));
    this.#queries = groupRows(entities.queries, entities.count, tables.orderOf(queries.atMs));
    this.#windowsMs = plan.windowsMs;
    this.rowsMax = this.#rows.largest;
    this.queriesMax = this.#queries.largest;
    this.times = new Float64Array(this.rowsMax);
    this.queryTimes = new Float64Array(this.queriesMax);
    this.upper = new Int32Array(this.queriesMax);
    this.lower = plan.windowsMs.map(() => new Int32Array(this.queriesMax));
  }

  /** Loads an entity; false when nobody asks about it. */
  load(entity: number): boolean {
    this.#rowStart = this.#rows.starts[entity]!;
    this.rowCount = this.#rows.starts[entity + 1]! - this.#rowStart;
    this.#queryStart = this.#queries.starts[entity]!;
    this.queryCount = this.#queries.starts[entity + 1]! - this.#queryStart;
    if (this.queryCount === 0) return false;
    this.gather(this.#axis, this.times);
    const { queryTimes, queryCount } = this;
    for (let q = 0; q < queryCount; q++) queryTimes[q] = this.#atMs[this.queryRow(q)]!;
    this.#bound(0, this.upper);
    for (let w = 0; w < this.#windowsMs.length; w++) this.#bound(this.#windowsMs[w]!, this.lower[w]!);
    return true;
  }

  /** Copies a column of the event rows into `target`, by position. */
  gather(column: Float64Array | Float32Array | Int32Array, target: Float64Array): void {
    const rows = this.#rows.rows;
    const start = this.#rowStart;
    for (let p = 0; p < this.rowCount; p++) target[p] = column[rows[start + p]!]!;
  }

  eventRow(position: number): number {
    return this.#rows.rows[this.#rowStart + position]!;
  }

  queryRow(query: number): number {
    return this.#queries.rows[this.#queryStart + query]!;
  }

  /** Per query the first position whose time is at least the query's time less `backMs`. */
  #bound(backMs: number, bounds: Int32Array): void {
    const { times, queryTimes, rowCount, queryCount } = this;
    let position = 0;
    for (let q = 0; q < queryCount; q++) {
      const from = queryTimes[q]! - backMs;
      while (position < rowCount && times[position]! < from) position++;
      bounds[q] = position;
    }
  }
}
