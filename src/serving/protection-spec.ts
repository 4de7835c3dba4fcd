import { z } from 'zod';
import { nameSchema } from '#platform/contract';

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

const concurrency = z.strictObject({
  /** Requests in work at once. */
  max: z.number().int().min(1).max(10_000),
  /** Lowers the limit while latency grows, and raises it again up to `max`. */
  adaptive: z.boolean().default(false),
});
export type ConcurrencySpec = z.output<typeof concurrency>;

/** When a revision is asked no more: so many of its last requests failed. */
const breaker = z.strictObject({
  failureRate: z.number().min(0.01).max(1).default(0.5),
  requestsMin: z.number().int().min(1).max(100_000).default(20),
  windowMs: z.number().int().min(100).max(3_600_000).default(10_000),
  openMs: z.number().int().min(10).max(3_600_000).default(5_000),
  /** Requests that try it out after that. */
  probes: z.number().int().min(1).max(1_000).default(3),
});
export type BreakerSpec = z.output<typeof breaker>;

const cache = z.strictObject({
  ttlMs: z.number().int().min(1).max(86_400_000),
  /** Answers that a gateway keeps; the least recently used leave. */
  entriesMax: z.number().int().min(1).max(1_000_000).default(10_000),
  /** Also while a rollout compares two arms, whose answers then are not drawn anew. */
  duringRollouts: z.boolean().default(false),
});
export type CacheSpec = z.output<typeof cache>;

const scalar = z.union([z.number(), z.string().max(1_000)]);
const score = z.number();
export const ruleSpec = z.strictObject({
  /** The first case all of whose conditions hold gives the score. */
  cases: z
    .array(
      z.strictObject({
        when: z
          .array(
            z.strictObject({
              /** An input of the current revision. */
              input: z.string().min(1).max(200),
              is: z.enum(['in', 'not', 'below', 'above', 'missing']),
              value: z.union([scalar, z.array(scalar).min(1).max(1_000)]).default(0),
            }),
          )
          .min(1)
          .max(20),
        score,
      }),
    )
    .max(100),
  otherwise: score,
});
export type RuleSpec = z.output<typeof ruleSpec>;

/** What answers when the current revision cannot, in this order. */
const fallback = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('previous') }),
  z.strictObject({ by: z.literal('model'), model: nameSchema, version: z.number().int().min(1) }),
  z.strictObject({ by: z.literal('rule'), rule: ruleSpec }),
  z.strictObject({ by: z.literal('constant'), score }),
]);
export type FallbackSpec = z.output<typeof fallback>;

const link = z.url({ protocol: /^https?$/ }).max(2_000);
const moment = z.iso.datetime({ offset: true });

/** An endpoint is one version of what it offers: how callers learn that they are to move on. */
const lifecycle = z
  .strictObject({
    /** From when on callers should use another; before it, the announcement. */
    deprecated: moment,
    /** From when on it answers nobody. */
    sunset: moment.nullable().default(null),
    /** A page that says what to do. */
    link: link.nullable().default(null),
    /** The endpoint that takes its place. */
    successor: nameSchema.nullable().default(null),
  })
  .refine(({ deprecated, sunset }) => sunset === null || Date.parse(sunset) >= Date.parse(deprecated), {
    message: 'expected a time after the deprecation',
    path: ['sunset'],
  });
export type LifecycleSpec = z.output<typeof lifecycle>;

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
  concurrency: concurrency.nullable().default(null),
  lifecycle: lifecycle.nullable().default(null),
  /** Keeps answers for equal inputs; null asks the model each time. */
  cache: cache.nullable().default(null),
  /** Of each revision by itself; null asks whatever happens. */
  breaker: breaker.nullable().default(null),
  fallbacks: z.array(fallback).max(10).default([]),
  whenSharedDown: z.enum(['local', 'refuse']).default('local'),
});
export type ProtectionSpec = z.output<typeof protectionSpec>;
