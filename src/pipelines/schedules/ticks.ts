import { type Cron, meetsDay } from './cron.ts';
import { offsetAt, type Stretch, stretches } from './zone.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** No zone ever put its clocks back by more than a day. */
const LOOK_BACK_MS = 2 * DAY_MS;
/** How far back one step of a search for the last ticks goes. */
const LOOK_MS_MAX = 4 * DAY_MS;
/** 29 February comes after eight years at the latest, when a century is no leap year. */
const HORIZON_MS = 9 * 366 * DAY_MS;

/**
 * The ticks of a cron expression in a time zone, ascending, after `after` and not after `until`.
 *
 * Where clocks are changed: an expression that names its hours has each of its local times once. A time that is skipped
 * comes at the moment after the gap (several of them together are one tick), a time that occurs twice comes at its
 * first occurrence. An expression that is met in every hour follows real time: it has no tick for a skipped hour and
 * ticks in both occurrences of a doubled one.
 */
export function* ticksBetween(cron: Cron, zone: string, after: number, until: number): Generator<number> {
  for (let from = after + 1; from <= until; ) {
    const to = Math.min(until + 1, dayOf(from) + DAY_MS);
    if (mayMeet(cron, zone, from, to)) yield* ticksWithin(cron, zone, from, to);
    from = to;
  }
}

/** The first ticks after an instant. */
export function ticksAfter(cron: Cron, zone: string, after: number, count: number): number[] {
  const found: number[] = [];
  for (const tick of ticksBetween(cron, zone, after, after + HORIZON_MS)) {
    if (found.push(tick) >= count) break;
  }
  return found;
}

/** The last ticks after `after` and not after `until`, ascending: at most `count`, found from the end. */
export function lastTicks(
  cron: Cron,
  zone: string,
  span: { readonly after: number; readonly until: number; readonly count: number },
): number[] {
  let found: number[] = [];
  // Most expressions are met within an hour or a day; the others are looked for in longer and longer spans.
  for (let until = span.until, lookMs = HOUR_MS; until > span.after && found.length < span.count; ) {
    const after = Math.max(span.after, until - lookMs);
    found = [...ticksBetween(cron, zone, after, until), ...found];
    until = after;
    lookMs = Math.min(4 * lookMs, LOOK_MS_MAX);
  }
  return found.slice(-span.count);
}

/** Whether any local day that an instant of the span may lie on, or be moved from, is met. Asks for no offset. */
function mayMeet(cron: Cron, zone: string, from: number, to: number): boolean {
  const offset = offsetAt(zone, from);
  for (let day = dayOf(from + offset) - 2 * DAY_MS; day <= to + offset + DAY_MS; day += DAY_MS) {
    if (meetsDay(cron, new Date(day))) return true;
  }
  return false;
}

function* ticksWithin(cron: Cron, zone: string, from: number, to: number): Generator<number> {
  let last: Stretch | undefined;
  /** Local times before this one have been on the clock already. */
  let shown = Number.NEGATIVE_INFINITY;
  for (const stretch of stretches(zone, from - LOOK_BACK_MS, to)) {
    for (const tick of ticksOf(cron, stretch, { from, last, shown })) if (tick >= from) yield tick;
    shown = Math.max(shown, stretch.to + stretch.offset);
    last = stretch;
  }
}

/** The ticks of a stretch of time with one offset. Those before `asked.from` are not asked for, and may be left out. */
function* ticksOf(
  cron: Cron,
  { from, to, offset }: Stretch,
  asked: { readonly from: number; readonly last: Stretch | undefined; readonly shown: number },
): Generator<number> {
  const { last, shown } = asked;
  const local = from + offset;
  const earliest = Math.max(local, asked.from + offset);
  if (cron.everyHour) {
    for (const time of localTimes(cron, earliest, to + offset)) yield time - offset;
    return;
  }
  const gap = last && localTimes(cron, Math.max(shown, from + last.offset), local).next();
  const makesUp = gap !== undefined && gap.done === false;
  if (makesUp) yield from;
  for (const time of localTimes(cron, Math.max(earliest, shown), to + offset)) {
    if (!makesUp || time !== local) yield time - offset;
  }
}

/** The local times that are met, from `from` up to `to`, as if they were UTC. */
function* localTimes(cron: Cron, from: number, to: number): Generator<number> {
  for (let day = dayOf(from); day < to; day += DAY_MS) {
    if (!meetsDay(cron, new Date(day))) continue;
    for (const hour of cron.hours) {
      const start = day + hour * HOUR_MS;
      if (start + HOUR_MS <= from || start >= to) continue;
      for (const minute of cron.minutes) {
        const time = start + minute * MINUTE_MS;
        if (time >= from && time < to) yield time;
      }
    }
  }
}

function dayOf(time: number): number {
  return Math.floor(time / DAY_MS) * DAY_MS;
}
