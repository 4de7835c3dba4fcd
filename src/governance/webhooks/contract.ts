import { z } from 'zod';
import { contract, pageOf, pageQuery, route } from '#platform/contract';
import { HAPPENINGS } from './happenings.ts';

export const WEBHOOK_LIMITS = { webhooks: 100, urlLength: 2_000, deliveriesKept: 1_000 } as const;

/** MLflow's rule for names. */
const name = z
  .string()
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/, 'expected 1 to 63 letters, digits, . _ and -');
const url = z.string().min(1).max(WEBHOOK_LIMITS.urlLength);
const happening = z.enum(HAPPENINGS);
const status = z.enum(['active', 'disabled']);
const text = z.string().max(2_000);
const secret = z
  .string()
  .min(1)
  .max(500)
  .refine((value) => !value.includes('\0'), 'expected text without NUL');

export const webhookDraft = z.strictObject({
  name,
  description: text.nullable().default(null),
  url,
  events: z.array(happening).min(1).max(HAPPENINGS.length),
  /** Signs each message. Without one, messages are not signed. It is never answered again. */
  secret: secret.nullable().default(null),
  status: status.default('active'),
});
export type WebhookDraft = z.output<typeof webhookDraft>;

export const webhookChange = z.strictObject({
  name: name.optional(),
  description: text.nullable().optional(),
  url: url.optional(),
  events: z.array(happening).min(1).max(HAPPENINGS.length).optional(),
  secret: secret.nullable().optional(),
  status: status.optional(),
});
export type WebhookChange = z.output<typeof webhookChange>;

const webhookView = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  url: z.string(),
  events: z.array(happening),
  signed: z.boolean(),
  status,
  createdAt: z.number(),
  updatedAt: z.number(),
});
export type Webhook = z.output<typeof webhookView>;

const deliveryView = z.object({
  id: z.string(),
  webhook: z.string(),
  event: happening,
  body: z.string(),
  /** `waiting` until it is taken with a 2xx or given up. */
  status: z.enum(['waiting', 'delivered', 'failed']),
  attempts: z.number().int(),
  /** When it is tried (again), in epoch milliseconds. */
  dueAt: z.number(),
  createdAt: z.number(),
  answeredAt: z.number().nullable(),
  /** The status and the beginning of what was answered last, or why nothing was. */
  answer: z.string().nullable(),
});
export type Delivery = z.output<typeof deliveryView>;

const ofWebhook = z.object({ webhook: z.string().max(100) });
const permission = 'governance:webhooks';

export const webhookContract = contract({
  listWebhooks: route({
    method: 'GET',
    path: '/api/v1/webhooks',
    summary: 'List the webhooks, oldest first',
    permission,
    query: pageQuery,
    reply: pageOf(webhookView),
  }),
  createWebhook: route({
    method: 'POST',
    path: '/api/v1/webhooks',
    summary: 'Have a URL told of what happens to models',
    permission,
    body: webhookDraft,
    reply: webhookView,
    errors: ['notify/invalid-target', 'governance/limit'],
    audit: 'webhook.create',
  }),
  getWebhook: route({
    method: 'GET',
    path: '/api/v1/webhooks/:webhook',
    summary: 'Read a webhook',
    permission,
    params: ofWebhook,
    reply: webhookView,
    errors: ['governance/webhook-not-found'],
  }),
  updateWebhook: route({
    method: 'PATCH',
    path: '/api/v1/webhooks/:webhook',
    summary: 'Change a webhook',
    permission,
    params: ofWebhook,
    body: webhookChange,
    reply: webhookView,
    errors: ['governance/webhook-not-found', 'notify/invalid-target'],
    audit: 'webhook.update',
  }),
  deleteWebhook: route({
    method: 'DELETE',
    path: '/api/v1/webhooks/:webhook',
    summary: 'Delete a webhook with its deliveries',
    permission,
    params: ofWebhook,
    reply: z.object({}),
    errors: ['governance/webhook-not-found'],
    audit: 'webhook.delete',
  }),
  listDeliveries: route({
    method: 'GET',
    path: '/api/v1/webhooks/:webhook/deliveries',
    summary: 'What a webhook was sent and what it answered, newest first',
    permission,
    params: ofWebhook,
    query: pageQuery,
    reply: pageOf(deliveryView),
    errors: ['governance/webhook-not-found', 'governance/invalid-cursor'],
  }),
  redeliver: route({
    method: 'POST',
    path: '/api/v1/webhooks/:webhook/deliveries/:delivery/redeliver',
    summary: 'Send a delivery again',
    permission,
    params: ofWebhook.extend({ delivery: z.string().max(100) }),
    reply: deliveryView,
    errors: ['governance/webhook-not-found', 'governance/delivery-not-found'],
    audit: 'webhook.redeliver',
  }),
});
