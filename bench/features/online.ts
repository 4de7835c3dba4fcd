import { appendRows, readWindows, type StateRows, type WindowView } from '#features';
import type { Flights } from './flights.ts';
import { arrivalViews } from './windows.ts';

const STATE_ROWS = 1_000;
const BATCH_ROWS = 10;
const REPEATS = 20_000;
const HOUR = 3_600_000;

/** Costs of the online state of one busy origin that holds a thousand rows, in microseconds per call. */
export function onlineCosts(flights: Flights) {
  const view = arrivalViews[0]!;
  const picked = busiestRows(flights).slice(0, STATE_ROWS + BATCH_ROWS);
  const rows = (from: number, to: number): StateRows => {
    const take = (column: Float64Array | Float32Array): Float64Array =>
      Float64Array.from(picked.slice(from, to), (row) => column[row]!);
    return {
      ids: Float64Array.from(picked.slice(from, to)),
      eventMs: take(flights.departedMs),
      knownMs: take(flights.knownMs),
      values: { delay: take(flights.delay), late: take(flights.late) },
    };
  };
  const horizonMs = 365 * 24 * HOUR;
  const state = appendRows(undefined, rows(0, STATE_ROWS), horizonMs);
  const batch = rows(STATE_ROWS, STATE_ROWS + BATCH_ROWS);
  const t = flights.knownMs[picked[STATE_ROWS - 1]!]! + 1;
  // Windows so long that every row of the state is summed: the worst case of a read.
  const wide: WindowView = {
    ...view,
    features: view.features.map((item) => ({ ...item, windowMs: item.windowMs * 365 })),
  };
  return {
    stateRows: STATE_ROWS,
    stateBytes: state.length,
    readMicros: microsPerCall(() => void readWindows(state, view, t)),
    readAllRowsMicros: microsPerCall(() => void readWindows(state, wide, t)),
    batchRows: BATCH_ROWS,
    appendMicros: microsPerCall(() => void appendRows(state, batch, horizonMs)),
  };
}

function busiestRows({ origin, airports, knownMs }: Flights): number[] {
  const counts = new Int32Array(airports);
  for (const code of origin) counts[code]! += 1;
  const busiest = counts.indexOf(Math.max(...counts));
  const rows = [...origin.keys()].filter((row) => origin[row] === busiest);
  return rows.sort((a, b) => knownMs[a]! - knownMs[b]!);
}

function microsPerCall(call: () => void): number {
  for (let i = 0; i < REPEATS / 4; i++) call();
  const start = performance.now();
  for (let i = 0; i < REPEATS; i++) call();
  return ((performance.now() - start) * 1_000) / REPEATS;
}
