import { type EventColumns, type QueryColumns, valueColumn } from './columns.ts';
import { planViews, type WindowPlan, type WindowView } from './definition.ts';
import { EntityWindows, WindowTables } from './entity-windows.ts';
import { KnownSums } from './known-sums.ts';
import { countRanges, SlidingSums, type WindowSums } from './sliding-sums.ts';

export interface WindowInput {
  readonly events: EventColumns;
  readonly queries: QueryColumns;
  readonly views: readonly WindowView[];
  /** An 'event' view also demands `known < t`, as the online read cannot help doing. Nothing changes for 'known'. */
  readonly onlyKnown?: boolean;
}

/**
 * The window features of every query row: one column per feature, in the order of the views and of their features,
 * one element per query row. The rows of both tables may be in any order. Sums are kept in compensated doubles and
 * rounded once to single precision, so counts are exact up to 2^24.
 *
 * Linear in rows, queries and windows after sorting (O(log rows) more per query for 'event' views with `onlyKnown`).
 * Throws `features/window-view-invalid` and `features/window-input-invalid`.
 */
export function windowFeatures(input: WindowInput): Float32Array[] {
  const plans = planViews(input.views);
  const tables = new WindowTables(input.events, input.queries);
  return input.views.flatMap((view, v) => {
    const plan = plans[v]!;
    return view.time === 'event' && input.onlyKnown === true
      ? knownFeatures(tables, view, plan)
      : slidingFeatures(tables, view, plan);
  });
}

function slidingFeatures(tables: WindowTables, view: WindowView, plan: WindowPlan): Float32Array[] {
  const windows = new EntityWindows(tables, view, plan);
  const outputs = emptyOutputs(plan, tables.queries.atMs.length);
  const columns = plan.columns.map((name) => valueColumn(tables.events, name));
  const values = new Float64Array(windows.rowsMax);
  const sliding = new SlidingSums(windows.rowsMax);
  const target = sumsOf(windows.queriesMax);
  for (let entity = 0; entity < windows.entities; entity++) {
    if (!windows.load(entity)) continue;
    for (let column = -1; column < columns.length; column++) {
      if (column >= 0) {
        windows.gather(columns[column]!, values);
        sliding.load(values, windows.rowCount);
      }
      for (let window = 0; window < plan.windowsMs.length; window++) {
        if (!isWanted(plan, column, window)) continue;
        const ranges = { lower: windows.lower[window]!, upper: windows.upper, count: windows.queryCount };
        if (column < 0) countRanges(target.counts, ranges);
        else sliding.into(target, ranges);
        emit({ plan, windows, outputs, column, window }, target);
      }
    }
  }
  return outputs;
}

function knownFeatures(tables: WindowTables, view: WindowView, plan: WindowPlan): Float32Array[] {
  const windows = new EntityWindows(tables, view, plan);
  const outputs = emptyOutputs(plan, tables.queries.atMs.length);
  const columns = plan.columns.map((name) => valueColumn(tables.events, name));
  const values = new Float64Array(windows.rowsMax);
  const known = new KnownSums(windows.rowsMax);
  const targets = plan.windowsMs.map(() => sumsOf(windows.queriesMax));
  for (let entity = 0; entity < windows.entities; entity++) {
    if (!windows.load(entity)) continue;
    known.load(windows, tables.events.knownMs);
    for (let column = -1; column < columns.length; column++) {
      if (!plan.features.some((feature) => feature.column === column)) continue;
      if (column < 0) values.fill(0, 0, windows.rowCount);
      else windows.gather(columns[column]!, values);
      known.into(targets, values, windows);
      for (let window = 0; window < targets.length; window++) {
        emit({ plan, windows, outputs, column, window }, targets[window]!);
      }
    }
  }
  return outputs;
}

/** Writes the features of one column and window of the loaded entity. */
function emit(
  to: { plan: WindowPlan; windows: EntityWindows; outputs: Float32Array[]; column: number; window: number },
  { sums, counts }: WindowSums,
): void {
  const { plan, windows, outputs } = to;
  plan.features.forEach((feature, f) => {
    if (feature.column !== to.column || feature.window !== to.window) return;
    const output = outputs[f]!;
    const count = windows.queryCount;
    if (feature.aggregate === 'count') {
      for (let q = 0; q < count; q++) output[windows.queryRow(q)] = counts[q]!;
    } else if (feature.aggregate === 'mean') {
      for (let q = 0; q < count; q++) output[windows.queryRow(q)] = counts[q]! > 0 ? sums[q]! / counts[q]! : Number.NaN;
    } else {
      for (let q = 0; q < count; q++) output[windows.queryRow(q)] = counts[q]! > 0 ? sums[q]! : Number.NaN;
    }
  });
}

function isWanted(plan: WindowPlan, column: number, window: number): boolean {
  return plan.features.some((feature) => feature.column === column && feature.window === window);
}

/** What a query without an entity gets: no rows. */
function emptyOutputs(plan: WindowPlan, rows: number): Float32Array[] {
  return plan.features.map(({ aggregate }) => new Float32Array(rows).fill(aggregate === 'count' ? 0 : Number.NaN));
}

function sumsOf(queriesMax: number): WindowSums {
  return { sums: new Float64Array(queriesMax), counts: new Int32Array(queriesMax) };
}
