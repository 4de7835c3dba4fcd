import { z } from 'zod';
import { contract, route } from '#platform/contract';

const eventView = z.object({
  seq: z.number().int(),
  time: z.number(),
  type: z.string(),
  subject: z.string(),
  data: z.unknown(),
});
export type EventView = z.output<typeof eventView>;

const auditView = z.object({
  seq: z.number().int(),
  time: z.number(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  detail: z.unknown(),
  hash: z.string(),
});

const newestFirst = {
  subject: z.string().max(300).optional(),
  before: z.coerce.number().int().optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
};

export const activityContract = contract({
  listEvents: route({
    method: 'GET',
    path: '/api/v1/events',
    summary: 'What happened, newest first',
    permission: 'activity:read',
    query: z.object(newestFirst),
    reply: z.object({ items: z.array(eventView) }),
  }),
  searchAudit: route({
    method: 'GET',
    path: '/api/v1/audit',
    summary: 'Who did what, newest first',
    permission: 'audit:read',
    query: z.object({ ...newestFirst, action: z.string().max(100).optional() }),
    reply: z.object({ items: z.array(auditView), head: z.object({ seq: z.number().int(), hash: z.string() }) }),
  }),
  getSettled: route({
    method: 'GET',
    path: '/api/v1/settled',
    summary: 'Whether the platform has done everything that follows from what it was told so far',
    permission: 'activity:read',
    query: z.object({
      /** Answers only when it has, but after this time in any case. */
      waitMs: z.coerce.number().int().min(0).max(30_000).default(0),
    }),
    reply: z.object({
      settled: z.boolean(),
      /** Every consumer has handled every event. */
      eventsHandled: z.boolean(),
      /** Pipeline runs that have not ended. */
      activeRuns: z.number().int(),
    }),
  }),
  verifyAudit: route({
    method: 'GET',
    path: '/api/v1/audit/verify',
    summary: 'Recompute the whole audit chain and say where it breaks, if it does',
    permission: 'audit:read',
    reply: z.object({
      ok: z.boolean(),
      entries: z.number().int(),
      head: z.string().optional(),
      seq: z.number().int().optional(),
      reason: z.string().optional(),
    }),
  }),
});

/** Where the stream of events is served as server-sent events: each message is one {@link EventView} as JSON. */
export const LIVE_PATH = '/api/v1/live';
