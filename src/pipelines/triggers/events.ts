import { z } from 'zod';
import { defineEvent } from '#platform/events';
import { FIRING_OUTCOMES } from './contract.ts';

/** An event started no run, or not yet: it was frozen, over the rate, a loop, or the run could not be started. */
export const triggerHeld = defineEvent(
  'trigger.held',
  z.object({ trigger: z.string(), at: z.number(), outcome: z.enum(FIRING_OUTCOMES), reason: z.string() }),
);
