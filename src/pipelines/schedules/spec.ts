import { z } from 'zod';
import { messageOf } from '#core/errors';
import { DURATION_PATTERN } from '#core/units';
import { nameSchema } from '#platform/contract';
import { parseCron } from './cron.ts';
import { isTimeZone } from './zone.ts';

/** Runs that one look may start for ticks that were missed. */
const CATCH_UP_MAX = 1_000;

const cron = z
  .string()
  .max(200)
  .superRefine((text, issues) => {
    try {
      parseCron(text);
    } catch (error) {
      issues.addIssue({ code: 'custom', message: messageOf(error) });
    }
  });

export const timeZone = z
  .string()
  .max(60)
  .refine(isTimeZone, 'expected a time zone by its IANA name, such as Europe/Berlin');

/** The spec of the resource kind `schedule`: start a pipeline at these local times. */
export const scheduleSpec = z.strictObject({
  description: z.string().max(2_000).default(''),
  pipeline: nameSchema,
  /**
   * Parameters of each run. In a text, `${at}` stands for the tick and `${previous}` for the one before it, both as
   * ISO 8601, and `${date}` for the local date of the tick.
   */
  params: z.record(z.string().max(60), z.union([z.string().max(1_000), z.number(), z.boolean()])).default({}),
  /** Minute, hour, day of month, month, day of week, as in crontab(5). */
  cron,
  timeZone: timeZone.default('UTC'),
  /** What becomes of ticks that nobody was there for: nothing, a run for the newest, or one for each up to a number. */
  catchUp: z
    .union([z.enum(['none', 'latest']), z.strictObject({ all: z.number().int().min(1).max(CATCH_UP_MAX) })])
    .default('latest'),
  /** A tick that is seen later than this was missed. */
  lateAfter: z.string().regex(DURATION_PATTERN, 'expected a duration such as 1m').default('1m'),
  /** Whether a tick starts a run while the run of an earlier tick has not ended. */
  overlap: z.enum(['allow', 'skip']).default('allow'),
});
export type ScheduleSpec = z.output<typeof scheduleSpec>;

const instant = z.iso.datetime({ offset: true });

/** The spec of the resource kind `freeze`: a span in which nothing starts by itself. */
export const freezeSpec = z
  .strictObject({
    reason: z.string().min(1).max(500),
    from: instant,
    to: instant,
    /** Pipelines that are frozen; all of them when none is named. */
    pipelines: z.array(nameSchema).max(100).default([]),
  })
  .refine(({ from, to }) => Date.parse(from) < Date.parse(to), { path: ['to'], message: 'expected a time after from' });
export type FreezeSpec = z.output<typeof freezeSpec>;
