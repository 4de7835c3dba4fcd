import { z } from 'zod';

const limit = z.strictObject({
  /** What has a bucket of its own: whoever calls, the tenant of the request, or the endpoint as a whole. */
  per: z.enum(['caller', 'tenant', 'endpoint']),
  perSecond: z.number().min(0.001).max(1_000_000),
  /** How many may come at once after a pause. */
  burst: z.number().int().min(1).max(1_000_000),
  /** What is counted: a request of 100 rows is one request. */
  counts: z.enum(['requests', 'rows']).default('requests'),
});
export type LimitSpec = z.output<typeof limit>;

/** What stands between an endpoint and whoever calls it. Everything that is not declared is not there. */
export const protectionSpec = z.strictObject({
  /** Who alone may call: `user:app`, `group:risk`, `token:<subject>`. Null lets in everybody the gateway lets in. */
  callers: z
    .array(z.string().regex(/^(?:user|group|service|token):\S{1,200}$/, 'expected user:<name> or group:<name>'))
    .min(1)
    .max(1_000)
    .nullable()
    .default(null),
  limits: z.array(limit).max(10).default([]),
  /** While gateways that share their limits cannot reach Redis: each goes by its own count, or refuses. */
  whenSharedDown: z.enum(['local', 'refuse']).default('local'),
});
export type ProtectionSpec = z.output<typeof protectionSpec>;
