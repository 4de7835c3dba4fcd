import { z } from 'zod';
import { contract, nameSchema, pageOf, pageQuery, route } from '#platform/contract';
import { scheduleSpec, timeZone } from './spec.ts';

export { freezeSpec, scheduleSpec } from './spec.ts';

export const TICK_OUTCOMES = ['started', 'missed', 'frozen', 'overlapped', 'failed'] as const;

const tickView = z.object({
  schedule: z.string(),
  /** The time that the expression names, in epoch milliseconds. Of `missed`, the newest of those that were. */
  at: z.number(),
  outcome: z.enum(TICK_OUTCOMES),
  /** The run that it started. */
  run: z.string().nullable(),
  /** Why it started none. */
  reason: z.string().nullable(),
  decidedAt: z.number(),
});
export type TickView = z.output<typeof tickView>;

const scheduleView = scheduleSpec.extend({
  schedule: z.string(),
  /** When it ticks next; null when it never does, or is paused. */
  nextAt: z.number().nullable(),
  pausedAt: z.number().nullable(),
  pausedBy: z.string().nullable(),
  pauseReason: z.string().nullable(),
  last: tickView.nullable(),
});
export type ScheduleView = z.output<typeof scheduleView>;

const calendarTick = z.object({
  at: z.number(),
  /** Of a tick that was, what became of its run or of itself; `scheduled` or `held` of one to come. */
  status: z.string(),
  run: z.string().nullable(),
  reason: z.string().nullable(),
});
export type CalendarTick = z.output<typeof calendarTick>;

const calendarDay = z.object({
  schedule: z.string(),
  pipeline: z.string(),
  /** The local day, such as 2026-02-28. */
  day: z.string(),
  /** How many ticks of the day are in which state. */
  counts: z.record(z.string(), z.number()),
  /** The first of them. */
  ticks: z.array(calendarTick),
});
export type CalendarDay = z.output<typeof calendarDay>;

const DAY_MS = 86_400_000;
/** Six weeks, which is what a month has a part of at most, and a day on each side for the zones. */
const CALENDAR_DAYS_MAX = 44;
/** Days of the year 10,000, which some zone has by then, are written with more digits. */
const TIME_MAX = Date.UTC(9_999, 11, 31);

const calendarQuery = pageQuery
  .extend({
    /** Epoch milliseconds. */
    from: z.coerce.number().int().min(0).max(TIME_MAX),
    /** Epoch milliseconds, not part of the span. */
    to: z.coerce.number().int().min(0).max(TIME_MAX),
    /** Whose days they are. */
    timeZone: timeZone.default('UTC'),
    schedule: nameSchema.optional(),
    /** Ticks of a schedule and day that are told each. */
    each: z.coerce.number().int().min(0).max(100).default(10),
  })
  .refine(({ from, to }) => from < to && to - from <= CALENDAR_DAYS_MAX * DAY_MS, {
    path: ['to'],
    message: `expected a time after from, at most ${CALENDAR_DAYS_MAX} days later`,
  });
export type CalendarQuery = z.output<typeof calendarQuery>;

const ofSchedule = z.object({ schedule: nameSchema });

export const schedulesContract = contract({
  listSchedules: route({
    method: 'GET',
    path: '/api/v1/schedules',
    summary: 'List schedules with their next and their last tick, by name',
    permission: 'pipelines:read',
    query: pageQuery.extend({ pipeline: nameSchema.optional() }),
    reply: pageOf(scheduleView),
  }),
  getSchedule: route({
    method: 'GET',
    path: '/api/v1/schedules/:schedule',
    summary: 'Describe a schedule',
    permission: 'pipelines:read',
    params: ofSchedule,
    reply: scheduleView,
    errors: ['pipelines/schedule-not-found'],
  }),
  nextTicks: route({
    method: 'GET',
    path: '/api/v1/schedules/:schedule/next',
    summary: 'The next ticks of a schedule, whether or not it is paused',
    permission: 'pipelines:read',
    params: ofSchedule,
    query: z.object({ count: z.coerce.number().int().min(1).max(100).default(10) }),
    reply: z.object({
      timeZone: z.string(),
      items: z.array(z.object({ at: z.number(), local: z.string(), offset: z.string() })),
    }),
    errors: ['pipelines/schedule-not-found'],
  }),
  listTicks: route({
    method: 'GET',
    path: '/api/v1/schedules/:schedule/ticks',
    summary: 'What became of the ticks of a schedule, newest first',
    permission: 'pipelines:read',
    params: ofSchedule,
    query: pageQuery,
    reply: pageOf(tickView),
    errors: ['pipelines/schedule-not-found'],
  }),
  scheduleCalendar: route({
    method: 'GET',
    path: '/api/v1/schedule-calendar',
    summary: 'Ticks of schedules by day: what became of those that were, and those to come; by schedule and day',
    permission: 'pipelines:read',
    query: calendarQuery,
    reply: pageOf(calendarDay),
    errors: ['pipelines/schedule-not-found'],
  }),
  pauseSchedule: route({
    method: 'POST',
    path: '/api/v1/schedules/:schedule/pause',
    summary: 'Pause a schedule: its ticks start nothing until it is resumed',
    permission: 'pipelines:write',
    params: ofSchedule,
    body: z.strictObject({ reason: z.string().max(500).optional() }),
    reply: scheduleView,
    errors: ['pipelines/schedule-not-found'],
    audit: 'schedule.pause',
  }),
  resumeSchedule: route({
    method: 'POST',
    path: '/api/v1/schedules/:schedule/resume',
    summary: 'Resume a schedule from now on, or from where it was paused, which catches up',
    permission: 'pipelines:write',
    params: ofSchedule,
    body: z.strictObject({
      /** Ticks since the pause count as missed, and its catch-up policy is applied to them. */
      catchUp: z.boolean().default(false),
    }),
    reply: scheduleView,
    errors: ['pipelines/schedule-not-found'],
    audit: 'schedule.resume',
  }),
});
