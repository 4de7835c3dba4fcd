import { z } from 'zod';
import { defineEvent } from '#platform/events';

/** The gate decided about a version. Subject: the version (`model-version/<model>@<version>`). */
export const gateDecided = defineEvent(
  'governance.decided',
  z.object({
    decision: z.string(),
    model: z.string(),
    version: z.number().int(),
    transition: z.enum(['serve', 'alias', 'stage']),
    target: z.string(),
    actor: z.string(),
    allow: z.boolean(),
    /** Names of the policies that applied; empty when none did. */
    policies: z.array(z.string()),
    missing: z.array(z.string()),
  }),
);
