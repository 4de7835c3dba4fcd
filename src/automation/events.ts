import { z } from 'zod';
import { defineEvent } from '#platform/events';

const decided = z.object({
  rule: z.string(),
  decision: z.string(),
  outcome: z.string(),
  at: z.number(),
  reason: z.string(),
  run: z.string().nullable(),
});

/** A rule acted: the run that it wanted is started. */
export const ruleFired = defineEvent('automation.fired', decided);

/** A rule would have acted but for a limit or a failure, which is named. */
export const ruleHeld = defineEvent('automation.held', decided);

export const incidentOpened = defineEvent(
  'incident.opened',
  z.object({ incident: z.string(), title: z.string(), severity: z.string(), at: z.number() }),
);

export const incidentResolved = defineEvent('incident.resolved', z.object({ incident: z.string(), note: z.string() }));
