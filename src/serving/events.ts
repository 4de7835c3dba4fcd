import { z } from 'zod';
import { defineEvent } from '#platform/events';
import { STAGES } from './contract.ts';

const stage = z.enum(STAGES);
const version = z.number().int();
const rolloutOf = { rollout: z.string(), endpoint: z.string() };

/** A rollout exists. Subject of all of these: the endpoint (`endpoint/<name>`), so that they come in order. */
export const rolloutStarted = defineEvent(
  'serving.rollout-started',
  z.object({
    ...rolloutOf,
    model: z.string(),
    /** Null for the first version of an endpoint. */
    current: version.nullable(),
    candidate: version,
    stage,
    forced: z.boolean(),
  }),
);

export const rolloutAdvanced = defineEvent(
  'serving.rollout-advanced',
  z.object({ ...rolloutOf, from: stage, to: stage, weight: z.number(), sentence: z.string() }),
);

/** A rollout ended. `at` is the event time of what ended it; null for a command, a guardrail or the gate. */
export const rolloutFinished = defineEvent(
  'serving.rollout-finished',
  z.object({
    ...rolloutOf,
    model: z.string(),
    current: version.nullable(),
    candidate: version,
    from: stage,
    outcome: stage,
    sentence: z.string(),
    at: z.number().nullable(),
  }),
);

/** Another version is the current revision of an endpoint. */
export const currentChanged = defineEvent(
  'serving.current-changed',
  z.object({ ...rolloutOf, model: z.string(), version, alias: z.string() }),
);

export const guardrailTripped = defineEvent(
  'serving.guardrail-tripped',
  z.object({
    ...rolloutOf,
    reason: z.enum(['error-rate', 'latency']),
    observed: z.number(),
    limit: z.number(),
    requests: z.number().int(),
  }),
);

export const routingChanged = defineEvent('serving.routing-changed', z.object({ version: z.number().int() }));

/**
 * One hour of a rollout's paired requests, emitted by monitoring once its labels are in: in the order of the hours,
 * each once. The losses are log losses; the difference is current minus candidate.
 */
export const comparisonBlock = defineEvent(
  'monitoring.comparison-block',
  z.object({
    rollout: z.string(),
    block: z.object({
      start: z.number(),
      requests: z.number().int(),
      lossDifferenceSum: z.number(),
      currentLossSum: z.number(),
      candidateLossSum: z.number(),
    }),
  }),
);
