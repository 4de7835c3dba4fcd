import { z } from 'zod';
import { DURATION_PATTERN } from '#core/units';
import { nameSchema } from '#platform/contract';
import { batchingSpec } from './batching-spec.ts';
import { checksSpec } from './checks/checks-spec.ts';
import { liveSpec, STRATEGIES } from './live/live-spec.ts';
import { protectionSpec } from './protection-spec.ts';

const duration = z.string().regex(DURATION_PATTERN, 'expected a duration such as 30m, 24h or 7d');

const rolloutSpec = z
  .strictObject({
    strategy: z.enum(STRATEGIES).default('paired'),
    /** Of every strategy but `paired`, which has what follows below. */
    live: liveSpec.prefault({}),
    /** What a version has to show before it answers anybody. */
    checks: checksSpec.prefault({}),
    /** Scored on every request and never answered with. Not better within this time: refused. */
    shadow: z.strictObject({ maxDuration: duration.default('14d') }).prefault({}),
    /** Answers this share of the requests, step by step; each step lasts at least `bake`. */
    canary: z
      .strictObject({
        steps: z
          .array(z.number().min(0.01, 'expected at least 0.01').max(99, 'expected at most 99; probation is 100'))
          .max(20)
          .refine((steps) => steps.every((step, i) => i === 0 || step > (steps[i - 1] as number)), {
            message: 'expected rising percentages',
          })
          .default([5, 25, 50]),
        bake: duration.default('6h'),
      })
      .prefault({}),
    /** How long the candidate answers everything while the former revision is still scored beside it. */
    probation: duration.default('24h'),
    decision: z
      .strictObject({
        /** The smallest improvement of the log loss per request that is worth a change. */
        margin: z.number().min(0).max(10).default(0),
        /** The error level of all looks together. */
        alpha: z.number().min(0.0001).max(0.5).default(0.05),
        /** Hours that only teach the variance: nothing is decided before. */
        burnInBlocks: z.number().int().min(2).max(1_000).default(8),
        /**
         * `martingale`: equal models favour neither in any next hour, whatever happened before; decides soonest.
         * `autoregressive`: equal models may be ahead for hours on end; slower, and keeps the level then too.
         */
        dependence: z.enum(['martingale', 'autoregressive']).default('martingale'),
      })
      .prefault({}),
  })
  .refine(({ strategy, live }) => strategy !== 'bandit' || live.metric !== null, {
    message: 'expected the metric that a bandit follows',
    path: ['live', 'metric'],
  })
  .refine(({ live: { bandit } }) => (bandit.policy === 'linucb') === bandit.context.length > 0, {
    message: 'expected the inputs that `linucb` goes by, and of no other policy',
    path: ['live', 'bandit', 'context'],
  });

/** The spec of the resource kind `endpoint`. */
export const endpointSpec = z
  .strictObject({
    model: nameSchema,
    /** The alias of the model that follows the current revision. */
    champion: z
      .string()
      .regex(/^[A-Za-z0-9][\w-]{0,99}$/, 'expected letters, digits, _ and -')
      .default('champion'),
    /** Feature views that are read online for each request; their features are inputs of the model by name. */
    features: z
      .strictObject({ views: z.array(nameSchema).min(1).max(20) })
      .nullable()
      .default(null),
    /** `automatic`: each newly registered version starts a rollout by itself. */
    challengers: z.enum(['automatic', 'manual']).default('automatic'),
    rollout: rolloutSpec.prefault({}),
    /** Takes a candidate out of traffic within the second. Counted over `window`, once there are `requestsMin`. */
    guardrail: z
      .strictObject({
        errorRateMax: z.number().min(0).max(1).default(0.01),
        latencyP95MsMax: z.number().min(0.1).max(600_000).default(200),
        requestsMin: z.number().int().min(1).max(1_000_000).default(50),
        window: duration.default('5m'),
      })
      .prefault({}),
    timeoutMs: z.number().int().min(1).max(600_000).default(1_000),
    /** Its models stay in the memory of gateways, however long nobody asks. */
    pinned: z.boolean().optional(),
    /** How long after a request its label may arrive: what happened in an hour is compared only after that. */
    labelLateness: duration.default('24h'),
    /** Who may call it, how much, and what answers when it cannot. */
    protection: protectionSpec.optional(),
    /** How requests wait and are joined; without it, those of one turn of the event loop are. */
    batching: batchingSpec.optional(),
  })
  .refine(({ batching, timeoutMs }) => !batching || batching.maxDelayMs < timeoutMs, {
    message: 'expected less than timeoutMs',
    path: ['batching', 'maxDelayMs'],
  });
export type EndpointSpec = z.output<typeof endpointSpec>;
