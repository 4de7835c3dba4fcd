import { checkLength } from './columns.ts';
import { planViews, type WindowPlan, type WindowView } from './definition.ts';
import { EntityWindows, WindowTables } from './entity-windows.ts';
import { windowErrors } from './errors.ts';
import type { WindowInput } from './offline.ts';

export interface LeakInput extends WindowInput {
  /**
   * Per query row the event row that it is itself, or -1: the check then judges a definition that wrongly counts the
   * row into its own windows, whatever their bounds.
   */
  readonly ownRows?: Int32Array;
  /** How many examples to return. */
  readonly examplesMax?: number;
}

export interface LeakReport {
  readonly rowsChecked: number;
  /** Pairs of query row and feature whose window holds a row that was not yet known at the query's time. */
  readonly violations: number;
  /** Query rows with at least one violation. */
  readonly rowsViolating: number;
  /** In the order of the views and their features, features without violations included. */
  readonly byFeature: readonly FeatureLeak[];
  /** The first violations by query row, then by feature. */
  readonly examples: readonly LeakExample[];
}

export interface FeatureLeak {
  readonly feature: string;
  readonly violations: number;
  /** The longest time by which a used row became known after the query, in milliseconds; 0 without violations. */
  readonly aheadMsMax: number;
}

export interface LeakExample {
  readonly queryRow: number;
  readonly feature: string;
  /** The row in the window that became known last; of several the first in the table. */
  readonly eventRow: number;
  readonly knownAt: number;
  readonly queryAt: number;
}

export const LEAK_EXAMPLES_MAX = 1_000;
const LEAK_EXAMPLES_DEFAULT = 20;

/**
 * Proves that no feature used the future: for every query row and feature the latest knowledge time among the rows in
 * the window must lie before the query's time. A row counts as used by every feature of its window, also where its
 * value is NaN, because that it is NaN was learned at its knowledge time.
 *
 * Exact, and linear after sorting: the latest knowledge time of a sliding window comes from a monotone queue
 * (the front holds the latest, a new row drops all earlier-known rows before it).
 * Throws `features/window-view-invalid` and `features/window-input-invalid`.
 */
export function leakCheck(input: LeakInput): LeakReport {
  const plans = planViews(input.views);
  const tables = new WindowTables(input.events, input.queries);
  const examplesMax = input.examplesMax ?? LEAK_EXAMPLES_DEFAULT;
  if (!Number.isInteger(examplesMax) || examplesMax < 0 || examplesMax > LEAK_EXAMPLES_MAX) {
    throw windowErrors['window-input-invalid'](
      `examplesMax: a whole number from 0 to ${LEAK_EXAMPLES_MAX}, got ${examplesMax}`,
    );
  }
  checkOwnRows(input);
  const violating = new Uint8Array(input.queries.atMs.length);
  const leaks = input.views.map((view, v) => viewLeaks({ input, tables, violating, examplesMax }, view, plans[v]!));
  const byFeature: FeatureLeak[] = [];
  const examples: LeakExample[] = [];
  plans.forEach((plan, v) => {
    for (const { name, window } of plan.features) {
      const leak = leaks[v]![window]!;
      byFeature.push({ feature: name, violations: leak.violations, aheadMsMax: leak.aheadMsMax });
      for (const { queryRow, eventRow } of leak.first) {
        const queryAt = input.queries.atMs[queryRow]!;
        examples.push({ queryRow, feature: name, eventRow, knownAt: input.events.knownMs[eventRow]!, queryAt });
      }
    }
  });
  return {
    rowsChecked: input.queries.atMs.length,
    violations: byFeature.reduce((sum, leak) => sum + leak.violations, 0),
    rowsViolating: violating.reduce((sum, flag) => sum + flag, 0),
    byFeature,
    examples: examples.sort((a, b) => a.queryRow - b.queryRow).slice(0, examplesMax),
  };
}

interface Checking {
  readonly input: LeakInput;
  readonly tables: WindowTables;
  readonly violating: Uint8Array;
  readonly examplesMax: number;
}

/** The violations of one window length; its features share them. */
interface WindowLeak {
  violations: number;
  aheadMsMax: number;
  /** The violating query rows with the smallest numbers, ascending. */
  readonly first: { readonly queryRow: number; readonly eventRow: number }[];
}

function viewLeaks(checking: Checking, view: WindowView, plan: WindowPlan): WindowLeak[] {
  const { input, tables, violating, examplesMax } = checking;
  const { knownMs } = input.events;
  const windows = new EntityWindows(tables, view, plan);
  const leaks = plan.windowsMs.map((): WindowLeak => ({ violations: 0, aheadMsMax: 0, first: [] }));
  const known = new Float64Array(windows.rowsMax);
  const latest = new Int32Array(windows.queriesMax);
  const queue = new Int32Array(windows.rowsMax);
  // With `onlyKnown` the definition itself leaves out every row that the check could object to.
  const seesUnknown = view.time === 'known' || input.onlyKnown !== true;
  const judge = (queryRow: number, eventRow: number, leak: WindowLeak): void => {
    const ahead = knownMs[eventRow]! - input.queries.atMs[queryRow]!;
    if (ahead < 0) return;
    violating[queryRow] = 1;
    leak.violations++;
    leak.aheadMsMax = Math.max(leak.aheadMsMax, ahead);
    keepFirst(leak.first, { queryRow, eventRow }, examplesMax);
  };
  for (let entity = 0; entity < windows.entities; entity++) {
    if (!windows.load(entity)) continue;
    windows.gather(knownMs, known);
    for (let w = 0; w < leaks.length; w++) {
      if (seesUnknown) latestKnown(windows, w, { known, queue, latest });
      else latest.fill(-1, 0, windows.queryCount);
      for (let q = 0; q < windows.queryCount; q++) {
        const queryRow = windows.queryRow(q);
        const position = latest[q]!;
        let eventRow = position < 0 ? -1 : windows.eventRow(position);
        const own = input.ownRows ? input.ownRows[queryRow]! : -1;
        if (own >= 0 && (eventRow < 0 || isLater(knownMs, own, eventRow))) eventRow = own;
        if (eventRow >= 0) judge(queryRow, eventRow, leaks[w]!);
      }
    }
  }
  return leaks;
}

/** Per query the position of the row in its window that became known last, -1 for an empty window. */
function latestKnown(
  windows: EntityWindows,
  window: number,
  { known, queue, latest }: { known: Float64Array; queue: Int32Array; latest: Int32Array },
): void {
  const lower = windows.lower[window]!;
  let head = 0;
  let tail = 0;
  let end = 0;
  for (let q = 0; q < windows.queryCount; q++) {
    for (const hi = windows.upper[q]!; end < hi; end++) {
      const at = known[end]!;
      while (tail > head) {
        const last = queue[tail - 1]!;
        const beaten = at > known[last]! || (at === known[last] && windows.eventRow(end) < windows.eventRow(last));
        if (!beaten) break;
        tail--;
      }
      queue[tail++] = end;
    }
    while (head < tail && queue[head]! < lower[q]!) head++;
    latest[q] = head < tail ? queue[head]! : -1;
  }
}

function isLater(knownMs: Float64Array, row: number, than: number): boolean {
  return knownMs[row]! > knownMs[than]! || (knownMs[row] === knownMs[than] && row < than);
}

/** Keeps the `max` examples with the smallest query rows, in order; each query row comes once per window. */
function keepFirst(first: WindowLeak['first'], example: WindowLeak['first'][number], max: number): void {
  const last = first.at(-1);
  if (first.length >= max && (last === undefined || last.queryRow < example.queryRow)) return;
  let place = first.length;
  while (place > 0 && first[place - 1]!.queryRow > example.queryRow) place--;
  first.splice(place, 0, example);
  if (first.length > max) first.pop();
}

function checkOwnRows({ ownRows, queries, events }: LeakInput): void {
  if (!ownRows) return;
  checkLength('ownRows', ownRows.length, queries.atMs.length);
  for (let queryRow = 0; queryRow < ownRows.length; queryRow++) {
    const row = ownRows[queryRow]!;
    if (row >= -1 && row < events.eventMs.length) continue;
    throw windowErrors['window-input-invalid'](
      `ownRows: event rows from -1 to ${events.eventMs.length - 1}, got ${row} in row ${queryRow}`,
    );
  }
}
