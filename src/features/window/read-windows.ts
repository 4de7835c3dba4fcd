import { TIME_MS_MAX } from './columns.ts';
import { planOf, type WindowPlan, type WindowView } from './definition.ts';
import { windowErrors } from './errors.ts';
import { settle } from './sliding-sums.ts';
import { StateReader } from './state-codec.ts';
import { Workspace } from './workspace.ts';

/** Of the read that is under way; it is synchronous, and its result has memory of its own. */
const workspace = new Workspace();

/**
 * The features of `view` at time `t` for the entity of `state` (`undefined`: no rows), in the order of the view.
 * Only rows with `known < t` are seen, as {@link WindowView} says, and the values are those of `windowFeatures` with
 * `onlyKnown`. Never a silent part of a window: where a row that was dropped could lie inside the longest window, the
 * read throws `features/window-out-of-reach`. Throws `features/window-state-corrupt` for damaged bytes.
 */
export function readWindows(state: Uint8Array | undefined, view: WindowView, t: number): Float32Array {
  const plan = planOf(view);
  if (!Number.isInteger(t) || Math.abs(t) > TIME_MS_MAX) {
    throw windowErrors['window-input-invalid'](`t: whole milliseconds up to ${TIME_MS_MAX}, got ${t}`);
  }
  if (!state) return Float32Array.from(plan.features, ({ aggregate }) => (aggregate === 'count' ? 0 : Number.NaN));
  workspace.reset();
  const reader = new StateReader(state, (rows) => workspace.column(rows));
  const longestMs = plan.windowsMs.at(-1)!;
  if (t - longestMs <= reader.droppedToMs) {
    throw windowErrors['window-out-of-reach'](
      `a window of ${longestMs} ms at ${t} reaches back to rows dropped up to ${reader.droppedToMs}`,
    );
  }
  const runs = view.time === 'known' ? knownRuns(reader, t, plan) : eventRuns(reader, t, plan);
  const totals = new Map<number, RingTotals>();
  return Float32Array.from(plan.features, ({ aggregate, column, window }) => {
    if (!totals.has(column)) totals.set(column, sumRuns(valuesOf(reader, plan, column), runs, plan));
    const { sums, errors, counts } = totals.get(column)!;
    const count = counts[window]!;
    if (aggregate === 'count') return count;
    if (count === 0) return Number.NaN;
    const sum = settle(sums[window]!, errors[window]!);
    return aggregate === 'mean' ? sum / count : sum;
  });
}

function valuesOf(reader: StateReader, plan: WindowPlan, column: number): Float64Array | undefined {
  if (column < 0) return undefined;
  const name = plan.columns[column]!;
  const place = reader.names.indexOf(name);
  if (place < 0) throw windowErrors['window-input-invalid'](`view: the state holds no column '${name}'`);
  return reader.values(place);
}

/**
 * Windows that end at the same time are nested. A run is a range of rows in one ring: held by window `ring` (numbered
 * as in the plan, shortest first) and by all longer ones, missed by all shorter ones.
 */
interface Run {
  readonly ring: number;
  readonly start: number;
  readonly end: number;
}

/** The rows are sorted by knowledge time, so every ring is one range. */
function knownRuns(reader: StateReader, t: number, { windowsMs }: WindowPlan): Run[] {
  const known = reader.knownMs();
  let end = firstAtOrAfter(known, t);
  return windowsMs.map((windowMs, ring) => {
    const start = firstAtOrAfter(known, t - windowMs);
    const run = { ring, start, end };
    end = start;
    return run;
  });
}

/** By event time the rows are only nearly sorted; among those known before `t`, neighbours of one ring form a run. */
function eventRuns(reader: StateReader, t: number, { windowsMs }: WindowPlan): Run[] {
  const event = reader.eventMs();
  const end = firstAtOrAfter(reader.knownMs(), t);
  const outside = windowsMs.length;
  const runs: Run[] = [];
  let start = 0;
  let current = outside;
  for (let row = 0; row < end; row++) {
    const age = t - event[row]!;
    let ring = age > 0 ? 0 : outside;
    while (ring < outside && age > windowsMs[ring]!) ring++;
    if (ring === current) continue;
    if (current < outside) runs.push({ ring: current, start, end: row });
    current = ring;
    start = row;
  }
  if (current < outside) runs.push({ ring: current, start, end });
  return runs;
}

interface RingTotals {
  readonly sums: Float64Array;
  readonly errors: Float64Array;
  readonly counts: Float64Array;
}

/** Per window the sum and number of values that are not NaN; without values the number of rows. */
function sumRuns(values: Float64Array | undefined, runs: readonly Run[], plan: WindowPlan): RingTotals {
  const windows = plan.windowsMs.length;
  const totals: RingTotals = {
    sums: new Float64Array(windows),
    errors: new Float64Array(windows),
    counts: new Float64Array(windows),
  };
  for (const { ring, start, end } of runs) {
    let sum = 0;
    let error = 0;
    let count = values ? 0 : end - start;
    for (let row = start; values && row < end; row++) {
      const value = values[row]!;
      if (Number.isNaN(value)) continue;
      const next = sum + value;
      const part = next - sum;
      error += sum - (next - part) + (value - part);
      sum = next;
      count++;
    }
    addTo(totals, ring, { sum, error, count });
  }
  for (let w = 1; w < windows; w++) {
    addTo(totals, w, { sum: totals.sums[w - 1]!, error: totals.errors[w - 1]!, count: totals.counts[w - 1]! });
  }
  return totals;
}

function addTo(
  { sums, errors, counts }: RingTotals,
  ring: number,
  more: { sum: number; error: number; count: number },
): void {
  const sum = sums[ring]!;
  const next = sum + more.sum;
  const part = next - sum;
  sums[ring] = next;
  errors[ring] = errors[ring]! + (sum - (next - part) + (more.sum - part)) + more.error;
  counts[ring] = counts[ring]! + more.count;
}

/** The first index whose time is at least `t`, by bisection of ascending times. */
function firstAtOrAfter(times: Float64Array, t: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle]! < t) low = middle + 1;
    else high = middle;
  }
  return low;
}
