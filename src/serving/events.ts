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
    /** Of several candidates, which. */
    arm: z.string().optional(),
    /** In which the candidate was: in `shadow` it answered nobody. */
    stage,
    reason: z.enum(['error-rate', 'latency']),
    observed: z.number(),
    limit: z.number(),
    requests: z.number().int(),
  }),
);

export const routingChanged = defineEvent('serving.routing-changed', z.object({ version: z.number().int() }));

/**
 * The paired losses of one hour of event time of a rollout. Monitoring emits it, once an hour that has any and in the
 * order of the hours, when the labels had their time. Declared here because the rollout decides on it. Subject
 * `rollout/<id>`.
 */
export const comparisonBlock = defineEvent(
  'monitoring.comparison-block',
  z.object({
    ...rolloutOf,
    /** Revisions. */
    current: z.string(),
    candidate: z.string(),
    block: z.object({
      start: z.number(),
      /** Labelled requests that both revisions scored. */
      requests: z.number().int(),
      /** Sum of (log loss of the current − log loss of the candidate): positive when the candidate is better. */
      lossDifferenceSum: z.number(),
      currentLossSum: z.number(),
      candidateLossSum: z.number(),
      /** Requests for which the candidate gave no score. */
      candidateFailures: z.number().int(),
    }),
  }),
);
