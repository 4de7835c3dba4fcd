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

/** A version is in another stage, or has another status there. Subject: the version. */
export const stageMoved = defineEvent(
  'registry.stage-moved',
  z.object({
    model: z.string(),
    version: z.number().int(),
    from: z.object({ stage: z.string(), status: z.string() }),
    to: z.object({ stage: z.string(), status: z.string() }),
    by: z.string(),
    reason: z.string(),
  }),
);

/** A model was created, described, renamed (`to` is its new name) or deleted. Subject: the model. */
export const modelChanged = defineEvent(
  'registry.model-changed',
  z.object({
    model: z.string(),
    change: z.enum(['created', 'described', 'renamed', 'deleted']),
    /** Tags that were set, or removed where null. */
    tags: z.record(z.string(), z.string().nullable()),
    to: z.string().nullable(),
  }),
);

/** The description or tags of a version changed, or it was deleted. Subject: the version. */
export const versionChanged = defineEvent(
  'registry.version-changed',
  z.object({
    model: z.string(),
    version: z.number().int(),
    change: z.enum(['described', 'deleted']),
    tags: z.record(z.string(), z.string().nullable()),
  }),
);
