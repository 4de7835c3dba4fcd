import type { Page } from '#platform/contract';
import type { Database } from '#platform/db';
import type { CalendarDay, CalendarQuery, CalendarTick } from './contract.ts';
import { parseCron } from './cron.ts';
import { freezeOf, type NamedFreeze } from './model.ts';
import { type StoredSchedule, ticksWithRuns } from './store.ts';
import { ticksBetween } from './ticks.ts';
import { type Stretch, stretches } from './zone.ts';

/** Ticks after which an answer has no further schedule. Those of one that ticks each minute are 1,440 a day. */
const TICKS_MAX = 20_000;

/** Words for ticks that started no run, or one that is not kept any more. */
const OUTCOMES: Readonly<Record<string, string>> = { started: 'fired', frozen: 'held', overlapped: 'skipped' };

interface CalendarDeps {
  readonly db: Database;
  readonly freezes: readonly NamedFreeze[];
}

/**
 * The ticks of schedules on the local days of a time zone: what became of those that were, and those to come. A page
 * ends with a whole schedule, by its name.
 */
export async function calendarOf(
  schedules: readonly StoredSchedule[],
  query: CalendarQuery,
  deps: CalendarDeps,
): Promise<Page<CalendarDay> & { items: CalendarDay[] }> {
  const zone = stretches(query.timeZone, query.from, query.to);
  const items: CalendarDay[] = [];
  let looked = 0;
  for (const [index, schedule] of schedules.entries()) {
    const isFull = index >= query.limit || looked >= TICKS_MAX;
    if (isFull) return { items, next: schedules[index - 1]?.name };
    const ticks = await ticksOf(schedule, query, deps);
    looked += ticks.length;
    for (const [day, own] of byDay(ticks, zone)) items.push(dayOf(schedule, { day, ticks: own, each: query.each }));
  }
  return { items };
}

async function ticksOf(
  { name, spec, cursorAt, pausedAt, pauseReason }: StoredSchedule,
  { from, to }: CalendarQuery,
  { db, freezes }: CalendarDeps,
): Promise<CalendarTick[]> {
  const was = await ticksWithRuns(db.reader, { schedule: name, from, to });
  const ticks = was.map(({ at, outcome, run, runStatus, reason }): CalendarTick => {
    return { at, status: runStatus ?? OUTCOMES[outcome] ?? outcome, run, reason };
  });
  // Ticks up to the cursor are decided, and stand above if they are remembered; those after it are to come.
  const after = Math.max(from - 1, cursorAt);
  for (const at of ticksBetween(parseCron(spec.cron), spec.timeZone, after, to - 1)) {
    const freeze = freezeOf(freezes, spec.pipeline, at);
    if (pausedAt !== null) ticks.push({ at, status: 'held', run: null, reason: pauseReason });
    else if (freeze) ticks.push({ at, status: 'held', run: null, reason: `will be held: ${freeze.spec.reason}` });
    else ticks.push({ at, status: 'scheduled', run: null, reason: null });
  }
  return ticks;
}

/** Ticks, ascending, by the day that is on the calendar of a zone then. */
function byDay(ticks: readonly CalendarTick[], zone: readonly Stretch[]): Map<string, CalendarTick[]> {
  let index = 0;
  return Map.groupBy(ticks, ({ at }) => {
    while (at >= (zone[index]?.to ?? Number.POSITIVE_INFINITY) && index < zone.length - 1) index++;
    return new Date(at + (zone[index]?.offset ?? 0)).toISOString().slice(0, 10);
  });
}

function dayOf(
  { name, spec }: StoredSchedule,
  { day, ticks, each }: { readonly day: string; readonly ticks: readonly CalendarTick[]; readonly each: number },
): CalendarDay {
  const counts: Record<string, number> = {};
  for (const { status } of ticks) counts[status] = (counts[status] ?? 0) + 1;
  return { schedule: name, pipeline: spec.pipeline, day, counts, ticks: ticks.slice(0, each) };
}
