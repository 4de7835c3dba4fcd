import { z } from 'zod';
import { defineEvent } from '#platform/events';
import { artifacts, causeSchema } from './contract.ts';

/** A run was accepted. Its steps run as soon as workers take them. */
export const pipelineRunStarted = defineEvent(
  'pipeline.run-started',
  z.object({
    run: z.string(),
    pipeline: z.string(),
    generation: z.number().int(),
    project: z.string().nullable(),
    cause: causeSchema,
  }),
);

/** A step reached its final status. */
export const pipelineStepFinished = defineEvent(
  'pipeline.step-finished',
  z.object({
    run: z.string(),
    pipeline: z.string(),
    step: z.string(),
    status: z.enum(['succeeded', 'cached', 'failed', 'skipped', 'cancelled']),
    reason: z.string().nullable(),
  }),
);

/** A run was paused, or goes on. */
export const pipelineRunPaused = defineEvent(
  'pipeline.run-paused',
  z.object({ run: z.string(), pipeline: z.string(), paused: z.boolean() }),
);

/** A step of a run is now the run of another pipeline, which is still to be started. */
export const pipelineNestedDue = defineEvent(
  'pipeline.nested-due',
  z.object({ run: z.string(), pipeline: z.string(), step: z.string() }),
);

/** A step waits for a person to approve it, for a time or for an event, until then at the latest. */
export const pipelineStepWaiting = defineEvent(
  'pipeline.step-waiting',
  z.object({ run: z.string(), pipeline: z.string(), step: z.string(), until: z.number().nullable() }),
);

/** All steps of a run are final. */
export const pipelineRunFinished = defineEvent(
  'pipeline.run-finished',
  z.object({
    run: z.string(),
    pipeline: z.string(),
    generation: z.number().int(),
    project: z.string().nullable(),
    status: z.enum(['succeeded', 'failed', 'cancelled']),
    cause: causeSchema,
    reason: z.string().nullable(),
    /** The run whose cached work it did again, to compare. Such a run starts nothing. */
    verifies: z.string().nullable().default(null),
    /** By `<step>.<output>`. */
    outputs: artifacts,
  }),
);

/** Work that was done again wrote something else than the cache has: the step is not deterministic. */
export const pipelineCacheDiffers = defineEvent(
  'pipeline.cache-differs',
  z.object({
    run: z.string(),
    step: z.string(),
    key: z.string(),
    /** The run that did the work again. */
    verifiedBy: z.string(),
    /** Names of the outputs that differ, and `result`. */
    differences: z.array(z.string()),
  }),
);

/** A run goes on although it should have ended by `lateAt`. It is told once. */
export const pipelineRunLate = defineEvent(
  'pipeline.run-late',
  z.object({ run: z.string(), pipeline: z.string(), status: z.string(), lateAt: z.number() }),
);

/** A run that was told to be late has ended. */
export const pipelineRunRecovered = defineEvent(
  'pipeline.run-recovered',
  z.object({
    run: z.string(),
    pipeline: z.string(),
    status: z.enum(['succeeded', 'failed', 'cancelled']),
    /** How long after it should have. */
    lateMs: z.number(),
  }),
);
