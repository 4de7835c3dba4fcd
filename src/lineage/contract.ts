import { z } from 'zod';
import { contract, pageOf, pageQuery, route } from '#platform/contract';

/** An event as OpenLineage has it; its schemas are published, and too deep to be repeated here. */
const runEvent = z.looseObject({
  eventType: z.enum(['START', 'RUNNING', 'COMPLETE', 'FAIL', 'ABORT', 'OTHER']),
  eventTime: z.string(),
  producer: z.string(),
  schemaURL: z.string(),
  run: z.looseObject({ runId: z.string() }),
  job: z.looseObject({ namespace: z.string(), name: z.string() }),
});

const deliveryView = z.object({
  /** Where events are sent; null when nothing is configured, and then they wait. */
  endpoint: z.string().nullable(),
  /** Events that were not sent yet. */
  waiting: z.number().int(),
  sent: z.number().int(),
  /** Events that the endpoint refused for what they are, which are not sent again. */
  refused: z.number().int(),
  /** Events that were given up because too many were waiting. */
  dropped: z.number().int(),
  /** Attempts in a row that failed. */
  failures: z.number().int(),
  /** When the next attempt is due, if the last one failed. */
  nextAt: z.number().nullable(),
  /** What the endpoint last said, or why it was not reached. */
  answer: z.string().nullable(),
  answeredAt: z.number().nullable(),
});
export type DeliveryView = z.output<typeof deliveryView>;

export const lineageContract = contract({
  listRunLineage: route({
    method: 'GET',
    path: '/api/v1/pipeline-runs/:run/lineage',
    summary: 'The OpenLineage events of a run and its steps, oldest first',
    permission: 'pipelines:read',
    params: z.object({ run: z.string().min(1).max(100) }),
    query: pageQuery,
    reply: pageOf(runEvent),
    errors: ['lineage/invalid-page'],
  }),
  getLineageDelivery: route({
    method: 'GET',
    path: '/api/v1/lineage/delivery',
    summary: 'How far the OpenLineage events were sent to the configured endpoint',
    permission: 'pipelines:read',
    reply: deliveryView,
  }),
});
