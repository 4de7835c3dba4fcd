import { z } from 'zod';
import { DURATION_PATTERN } from '#core/units';
import { contract, nameSchema, route } from '#platform/contract';

const duration = z.string().regex(DURATION_PATTERN, 'expected a duration such as 6h or 14d');

/** The spec of the resource kind `rule`: when this is observed, do that, within limits. */
export const ruleSpec = z.strictObject({
  description: z.string().max(2_000).default(''),
  on: z.strictObject({ monitor: nameSchema, alert: z.string().min(1).max(100) }),
  /** Starts a pipeline run. `${at}` in a parameter stands for the event time of the firing, as ISO 8601. */
  run: z.strictObject({
    pipeline: nameSchema,
    params: z.record(z.string().max(60), z.union([z.string().max(1_000), z.number(), z.boolean()])).default({}),
  }),
  /** The signal must have been firing for this long, in event time. */
  debounce: duration.default('0s'),
  /** After a firing nothing is started for this long, in event time. */
  cooldown: duration.default('1d'),
  /** At most so many firings within a span of event time. */
  budget: z
    .strictObject({ firings: z.number().int().min(1).max(1_000), per: duration })
    .default({ firings: 4, per: '30d' }),
  /** A chain of automatic causes longer than this is a loop and is cut. */
  depthMax: z.number().int().min(1).max(20).default(3),
  enabled: z.boolean().default(true),
});
export type RuleSpec = z.output<typeof ruleSpec>;

const decisionView = z.object({
  decision: z.string(),
  rule: z.string(),
  outcome: z.enum(['fired', 'cooling-down', 'over-budget', 'loop', 'disabled', 'resolved-early', 'failed']),
  /** Event time in epoch milliseconds. */
  at: z.number(),
  /** In words, with the numbers that decided. */
  reason: z.string(),
  /** The pipeline run that a firing started. */
  run: z.string().nullable(),
});
export type DecisionView = z.output<typeof decisionView>;

const incidentView = z.object({
  incident: z.string(),
  subject: z.string(),
  title: z.string(),
  severity: z.enum(['warning', 'critical']),
  status: z.enum(['open', 'resolved']),
  /** Event time when it is known, else the time of opening; epoch milliseconds. */
  at: z.number(),
  openedAt: z.number(),
  resolvedAt: z.number().nullable(),
  facts: z.array(z.object({ at: z.number(), text: z.string() })),
  /** What was changed shortly before, newest first, from the audit log. */
  changes: z.array(z.object({ at: z.number(), actor: z.string(), action: z.string(), subject: z.string() })),
  /** What a person may do about it; never what would not help. */
  advice: z.string(),
});
export type IncidentView = z.output<typeof incidentView>;

export const automationContract = contract({
  listDecisions: route({
    method: 'GET',
    path: '/api/v1/automation/decisions',
    summary: 'What the rules decided and why, newest first',
    permission: 'automation:read',
    query: z.object({ rule: nameSchema.optional(), limit: z.coerce.number().int().min(1).max(500).default(100) }),
    reply: z.object({ items: z.array(decisionView) }),
  }),
  listIncidents: route({
    method: 'GET',
    path: '/api/v1/incidents',
    summary: 'List incidents, newest first',
    permission: 'automation:read',
    query: z.object({
      status: z.enum(['open', 'resolved']).optional(),
      limit: z.coerce.number().int().min(1).max(500).default(100),
    }),
    reply: z.object({ items: z.array(incidentView) }),
  }),
  resolveIncident: route({
    method: 'POST',
    path: '/api/v1/incidents/:incident/resolve',
    summary: 'Close an incident with a note on what was done',
    permission: 'automation:write',
    params: z.object({ incident: z.string().max(100) }),
    body: z.strictObject({ note: z.string().min(1).max(2_000) }),
    reply: incidentView,
    errors: ['automation/incident-not-found'],
    audit: 'incident.resolve',
  }),
});
