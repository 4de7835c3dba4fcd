import { z } from 'zod';
import { contract, route } from '#platform/contract';

const historyEntry = z.object({
  /** The number of the entry in the audit log, by which it can be proved. */
  seq: z.number().int(),
  time: z.number(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  detail: z.unknown(),
  hash: z.string(),
});
export type HistoryEntry = z.output<typeof historyEntry>;

export const auditContract = contract({
  getHistory: route({
    method: 'GET',
    path: '/api/v1/history',
    summary: 'Everything that was done to something and to its versions, oldest first',
    permission: 'audit:read',
    query: z.object({
      /** Such as `model/churn`, `model-version/churn@3`, `endpoint/churn`, `experiment/1`. */
      subject: z.string().min(1).max(500),
      /** The `next` of the page before. */
      after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
    }),
    reply: z.object({ items: z.array(historyEntry), next: z.number().int().optional() }),
  }),
});
