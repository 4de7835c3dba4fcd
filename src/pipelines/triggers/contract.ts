import { z } from 'zod';
import { contract, nameSchema, pageOf, pageQuery, route } from '#platform/contract';
import { triggerSpec } from './spec.ts';

export { triggerSpec } from './spec.ts';

export const FIRING_OUTCOMES = ['started', 'frozen', 'limited', 'loop', 'failed'] as const;

const firingView = z.object({
  firing: z.string(),
  trigger: z.string(),
  at: z.number(),
  outcome: z.enum(FIRING_OUTCOMES),
  run: z.string().nullable(),
  /** Why no run was started, or not yet. */
  reason: z.string().nullable(),
});
export type FiringView = z.output<typeof firingView>;

const triggerView = triggerSpec.extend({
  trigger: z.string(),
  /** When what waits is due. */
  dueAt: z.number().nullable(),
  /** Whether a secret was made, without which a webhook accepts nothing. */
  hasSecret: z.boolean(),
  last: firingView.nullable(),
});
export type TriggerView = z.output<typeof triggerView>;

const ofTrigger = z.object({ trigger: nameSchema });

export const triggersContract = contract({
  listTriggers: route({
    method: 'GET',
    path: '/api/v1/triggers',
    summary: 'List triggers with what they did last, by name',
    permission: 'pipelines:read',
    reply: z.object({ items: z.array(triggerView) }),
  }),
  listTriggerEvents: route({
    method: 'GET',
    path: '/api/v1/trigger-events',
    summary: 'List the types of events that may start a pipeline, with their fields',
    permission: 'pipelines:read',
    reply: z.object({
      items: z.array(
        z.object({ type: z.string(), fields: z.array(z.object({ path: z.string(), holds: z.string() })) }),
      ),
    }),
  }),
  listFirings: route({
    method: 'GET',
    path: '/api/v1/triggers/:trigger/firings',
    summary: 'What a trigger did about events, newest first',
    permission: 'pipelines:read',
    params: ofTrigger,
    query: pageQuery,
    reply: pageOf(firingView),
    errors: ['pipelines/trigger-not-found'],
  }),
  makeTriggerSecret: route({
    method: 'POST',
    path: '/api/v1/triggers/:trigger/secret',
    summary: 'Make the secret with which requests to a webhook are signed. It is shown once; the one before is over',
    permission: 'pipelines:write',
    params: ofTrigger,
    reply: z.object({ secret: z.string(), path: z.string() }),
    errors: ['pipelines/trigger-not-found', 'pipelines/not-a-webhook'],
    audit: 'trigger.secret',
  }),
});
