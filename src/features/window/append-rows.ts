import { checkLength } from './columns.ts';
import { windowErrors } from './errors.ts';
import { encodeState, STATE_COLUMNS_MAX, STATE_ROWS_MAX, type StateColumns, StateReader } from './state-codec.ts';
import { checkBatch, type StateRows } from './view-rows.ts';
import { Workspace } from './workspace.ts';

/** Of the append that is under way; it is synchronous, and the state that it returns has memory of its own. */
const workspace = new Workspace();

/**
 * Adds rows to the state of one entity (`undefined`: it has none yet) and returns the new state; `state` itself is not
 * changed. Rows may come late and in any order, and a row whose id is already there is the same row, delivered again:
 * it changes nothing. A row is dropped as soon as both its times lie more than `horizonMs` before the newest knowledge
 * time; `horizonMs` is the longest window plus the lateness up to which reads must stay exact.
 * The result depends only on the set of rows delivered, not on how they came in batches.
 *
 * The names of the value columns must be the same in every append. Throws `features/window-input-invalid`,
 * `features/window-state-corrupt` and, past {@link STATE_ROWS_MAX} rows, `features/window-state-full`.
 */
export function appendRows(state: Uint8Array | undefined, rows: StateRows, horizonMs: number): Uint8Array {
  if (!Number.isSafeInteger(horizonMs) || horizonMs < 0) {
    throw windowErrors['window-input-invalid'](`horizonMs: a whole number from 0 on, got ${horizonMs}`);
  }
  workspace.reset();
  const batch = sortedBatch(rows);
  const held = state ? openState(state) : pick(batch, []);
  if (held.names.join('\0') !== batch.names.join('\0')) {
    throw windowErrors['window-input-invalid'](
      `values: the state holds the columns '${held.names.join("', '")}', got '${batch.names.join("', '")}'`,
    );
  }
  const merged = merge(held, batch, horizonMs);
  if (merged.rows > STATE_ROWS_MAX) {
    throw windowErrors['window-state-full'](`at most ${STATE_ROWS_MAX} rows of an entity, got ${merged.rows}`);
  }
  return encodeState(merged);
}

function openState(bytes: Uint8Array): StateColumns {
  const reader = new StateReader(bytes, (rows) => workspace.column(rows));
  return {
    names: reader.names,
    droppedToMs: reader.droppedToMs,
    rows: reader.rows,
    ids: reader.ids(),
    knownMs: reader.knownMs(),
    eventMs: reader.eventMs(),
    values: reader.names.map((_, column) => reader.values(column)),
  };
}

/** The batch in the form of a state: by knowledge time, then id, each id once, its first delivery. */
function sortedBatch(rows: StateRows): StateColumns {
  checkBatch(rows);
  const { ids, knownMs, eventMs } = rows;
  const names = Object.keys(rows.values).sort();
  if (names.length > STATE_COLUMNS_MAX) {
    throw windowErrors['window-input-invalid'](`values: at most ${STATE_COLUMNS_MAX} columns, got ${names.length}`);
  }
  for (const name of names) checkLength(`values.${name}`, rows.values[name]!.length, ids.length);
  const seen = new Set<number>();
  const order: number[] = [];
  for (let row = 0; row < ids.length; row++) {
    if (seen.has(ids[row]!)) continue;
    seen.add(ids[row]!);
    order.push(row);
  }
  order.sort((a, b) => knownMs[a]! - knownMs[b]! || ids[a]! - ids[b]!);
  const values = names.map((name) => rows.values[name]!);
  return pick({ names, droppedToMs: Number.NEGATIVE_INFINITY, rows: ids.length, ids, knownMs, eventMs, values }, order);
}

function pick(source: StateColumns, order: readonly number[]): StateColumns {
  const take = (column: Float64Array): Float64Array => {
    const taken = workspace.column(order.length);
    for (let i = 0; i < taken.length; i++) taken[i] = column[order[i]!]!;
    return taken;
  };
  return {
    names: source.names,
    droppedToMs: source.droppedToMs,
    rows: order.length,
    ids: take(source.ids),
    knownMs: take(source.knownMs),
    eventMs: take(source.eventMs),
    values: source.values.map(take),
  };
}

/** Neighbouring rows of one side that stay neighbours in the merged state, so that a column is copied in few pieces. */
interface Run {
  readonly side: 'held' | 'batch';
  readonly start: number;
  end: number;
}

function merge(held: StateColumns, batch: StateColumns, horizonMs: number): StateColumns {
  const repeated = repeatedIds(held, batch);
  const newestMs = Math.max(lastOf(held.knownMs), lastOf(batch.knownMs));
  const keepFromMs = newestMs - horizonMs;
  const runs: Run[] = [];
  let rows = 0;
  let droppedToMs = held.droppedToMs;
  const take = (side: Run['side'], from: StateColumns, row: number): void => {
    const lastMs = Math.max(from.knownMs[row]!, from.eventMs[row]!);
    if (lastMs < keepFromMs) {
      droppedToMs = Math.max(droppedToMs, lastMs);
      return;
    }
    rows++;
    const run = runs.at(-1);
    if (run && run.side === side && run.end === row) run.end++;
    else runs.push({ side, start: row, end: row + 1 });
  };
  let h = 0;
  for (let b = 0; b < batch.rows; b++) {
    if (repeated.has(batch.ids[b]!)) continue;
    for (; h < held.rows && precedes(held, h, batch, b); h++) take('held', held, h);
    take('batch', batch, b);
  }
  for (; h < held.rows; h++) take('held', held, h);
  const copy = (ofHeld: Float64Array, ofBatch: Float64Array): Float64Array => {
    const merged = workspace.column(rows);
    let offset = 0;
    for (const { side, start, end } of runs) {
      merged.set((side === 'held' ? ofHeld : ofBatch).subarray(start, end), offset);
      offset += end - start;
    }
    return merged;
  };
  return {
    names: held.names,
    droppedToMs,
    rows,
    ids: copy(held.ids, batch.ids),
    knownMs: copy(held.knownMs, batch.knownMs),
    eventMs: copy(held.eventMs, batch.eventMs),
    values: held.values.map((values, column) => copy(values, batch.values[column]!)),
  };
}

/** The ids of the batch that the state already holds. Ids mostly grow, so most held ids lie outside its range. */
function repeatedIds(held: StateColumns, batch: StateColumns): ReadonlySet<number> {
  const repeated = new Set<number>();
  const ids = new Set(batch.ids);
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const id of ids) {
    min = Math.min(min, id);
    max = Math.max(max, id);
  }
  for (let h = 0; h < held.rows; h++) {
    const id = held.ids[h]!;
    if (id >= min && id <= max && ids.has(id)) repeated.add(id);
  }
  return repeated;
}

function precedes(a: StateColumns, rowA: number, b: StateColumns, rowB: number): boolean {
  const difference = a.knownMs[rowA]! - b.knownMs[rowB]!;
  return difference < 0 || (difference === 0 && a.ids[rowA]! < b.ids[rowB]!);
}

function lastOf(times: Float64Array): number {
  return times.length === 0 ? Number.NEGATIVE_INFINITY : times[times.length - 1]!;
}
