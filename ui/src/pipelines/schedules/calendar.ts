import type { CalendarDay } from '#pipelines/schedules/contract';

export type CalendarSpan = 'week' | 'month';

const DAY_MS = 86_400_000;
const WEEK_DAYS = 7;

const timeOf = (day: string): number => Date.parse(`${day}T00:00:00Z`);
const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** Whether a text of an address is a day, such as 2026-02-28. */
export function isDay(text: string | undefined): text is string {
  return (
    text !== undefined && /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(timeOf(text)) && dayOf(timeOf(text)) === text
  );
}

/** The days that are shown: the week of a day from Monday on, or its month, the first and last week of it whole. */
export function daysOf(span: CalendarSpan, on: string): readonly string[] {
  const monday = (time: number) => time - ((new Date(time).getUTCDay() + 6) % WEEK_DAYS) * DAY_MS;
  const date = new Date(timeOf(on));
  const [first, last] =
    span === 'week'
      ? [timeOf(on), timeOf(on)]
      : [
          Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1),
          Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0),
        ];
  const [from, to] = [monday(first), monday(last) + (WEEK_DAYS - 1) * DAY_MS];
  return Array.from({ length: (to - from) / DAY_MS + 1 }, (_, index) => dayOf(from + index * DAY_MS));
}

/** A day of the span before or after that of a day. */
export function movedBy(span: CalendarSpan, on: string, count: number): string {
  if (span === 'week') return dayOf(timeOf(on) + count * WEEK_DAYS * DAY_MS);
  const date = new Date(timeOf(on));
  return dayOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + count, 1));
}

/** Local days and times of a time zone by its IANA name. */
export function zoned(timeZone: string) {
  const days = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' });
  const times = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  return { day: (at: number) => days.format(at), time: (at: number) => times.format(at) };
}

/** The schedules of each day by their first tick. */
export function entriesByDay(entries: readonly CalendarDay[]): ReadonlyMap<string, readonly CalendarDay[]> {
  const firstOf = ({ ticks }: CalendarDay): number => ticks[0]?.at ?? 0;
  return Map.groupBy(
    entries.toSorted((a, b) => firstOf(a) - firstOf(b)),
    ({ day }) => day,
  );
}

/** How many of the ticks are in which state, the most frequent first. */
export function countsOf({ counts }: CalendarDay): readonly (readonly [status: string, count: number])[] {
  return Object.entries(counts).sort((a, b) => b[1] - a[1]);
}

export interface FreezeSpan {
  readonly name: string;
  readonly reason: string;
  readonly from: number;
  readonly to: number;
  /** Pipelines that are frozen; all of them when there is none. */
  readonly pipelines: readonly string[];
}

/** The freezes that a day of a time zone has a part of. */
export function freezesOn(freezes: readonly FreezeSpan[], day: string, timeZone: string): readonly FreezeSpan[] {
  const { day: dayAt } = zoned(timeZone);
  return freezes.filter(({ from, to }) => dayAt(from) <= day && dayAt(to - 1) >= day);
}
