import { z } from 'zod';
import { defineEvent } from '#platform/events';
import { TICK_OUTCOMES } from './contract.ts';

/** A tick started no run: it was missed, frozen, overlapped another, or the run could not be started. */
export const scheduleHeld = defineEvent(
  'schedule.held',
  z.object({ schedule: z.string(), at: z.number(), outcome: z.enum(TICK_OUTCOMES), reason: z.string() }),
);
