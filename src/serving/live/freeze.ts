import { z } from 'zod';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
const WEEK_MINUTES = 7 * 24 * 60;
const weekly = z.string().regex(/^(Sun|Mon|Tue|Wed|Thu|Fri|Sat) ([01]\d|2[0-3]):[0-5]\d$/, 'expected as in Fri 16:00');
const moment = z.iso.datetime({ error: 'expected as in 2026-12-24T12:00:00Z' });

/** A time in which no rollout takes a step up, UTC: once, or every week (which may run over its end). */
export const freezeWindow = z.union([
  z.strictObject({ from: weekly, to: weekly }),
  z.strictObject({ from: moment, to: moment }),
]);
export type FreezeWindow = z.output<typeof freezeWindow>;

/** The first window that holds `atMs`. */
export function frozenBy(windows: readonly FreezeWindow[], atMs: number): FreezeWindow | undefined {
  const now = new Date(atMs);
  const minute = now.getUTCDay() * 1_440 + now.getUTCHours() * 60 + now.getUTCMinutes();
  return windows.find(({ from, to }) => {
    if (!DAYS.some((day) => from.startsWith(day))) return Date.parse(from) <= atMs && atMs < Date.parse(to);
    const start = minuteOf(from);
    const lengthMinutes = (minuteOf(to) - start + WEEK_MINUTES) % WEEK_MINUTES;
    return (minute - start + WEEK_MINUTES) % WEEK_MINUTES < lengthMinutes;
  });
}

function minuteOf(text: string): number {
  const [day = '', time = ''] = text.split(' ');
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return DAYS.indexOf(day as (typeof DAYS)[number]) * 1_440 + hours * 60 + minutes;
}
