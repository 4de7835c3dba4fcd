import { z } from 'zod';
import { defineEvent } from '#platform/events';
import { causeSchema } from '#tracking/contract';

/** A new version exists. Subject: the version (`model-version/<model>@<version>`). */
export const versionRegistered = defineEvent(
  'registry.version-registered',
  z.object({ model: z.string(), version: z.number().int(), runId: z.string().nullable(), cause: causeSchema }),
);

/** Evidence was recorded about a version, approvals included. Subject: the version. */
export const evidenceAdded = defineEvent(
  'registry.evidence-added',
  z.object({
    model: z.string(),
    version: z.number().int(),
    evidence: z.string(),
    kind: z.string(),
    passed: z.boolean().nullable(),
  }),
);

/** An alias points elsewhere: `to` is null when it was removed. Subject: the model (`model/<model>`). */
export const aliasMoved = defineEvent(
  'registry.alias-moved',
  z.object({
    model: z.string(),
    alias: z.string(),
    from: z.number().int().nullable(),
    to: z.number().int().nullable(),
    cause: causeSchema,
  }),
);
