import { z } from 'zod';
import type { Digest } from '#core/hash';
import type { FeaturePlan } from '#features';
import { batchingSpec } from './batching-spec.ts';
import { isDatatype } from './gateway/tensors/datatypes.ts';
import { protectionSpec, ruleSpec } from './protection-spec.ts';

/**
 * The routing table: everything a gateway needs to know to answer. It is an immutable snapshot with a version; a
 * gateway swaps it as a whole and keeps a copy on disk, so that it starts and serves without the control plane.
 */

export const digestSchema = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 lower-case hexadecimal digits')
  .transform((text) => text as Digest);

export const signatureSchema = z.object({
  /**
   * The model's columns: the numeric ones in order are `features`, the category ones in order are `categories`. A model
   * of tensors has none.
   */
  inputs: z.array(z.object({ name: z.string().min(1).max(200), kind: z.enum(['numeric', 'category']) })).max(10_000),
  output: z.enum(['probability', 'value']),
});
export type ModelSignature = z.output<typeof signatureSchema>;

const beside = z.array(z.object({ path: z.string(), digest: digestSchema })).max(500);

/** What a model takes or answers under one name; −1 is a dimension of any size. */
export const tensorSpecSchema = z.object({
  name: z.string(),
  datatype: z.string().refine(isDatatype, 'expected a datatype of the Open Inference Protocol, such as FP32'),
  shape: z.array(z.number().int().min(-1)),
});

const armTensors = z.object({ inputs: z.array(tensorSpecSchema), outputs: z.array(tensorSpecSchema), beside });
export type ArmTensors = z.output<typeof armTensors>;

export const armSchema = z.object({
  /** `model@version`. */
  revision: z.string(),
  model: z.string(),
  version: z.number().int(),
  /** Digest of the ONNX file. */
  digest: digestSchema,
  signature: signatureSchema,
  /** Of a graph: the model file of each version that it uses, by `model@version`. */
  parts: z.record(z.string(), digestSchema).optional(),
  /** Of a model of tensors: what it takes and answers, and what lies beside its file, such as its weights. */
  tensors: armTensors.optional(),
});
export type Arm = z.output<typeof armSchema>;

/** A version whose inputs are no columns: a model of any tensors, which its ONNX file tells. */
export const tensorVersionSchema = z.object({
  revision: z.string(),
  model: z.string(),
  version: z.number().int(),
  /** Of the ONNX file, and what lies beside it, such as its weights. */
  tensors: z.object({
    digest: digestSchema,
    beside,
  }),
});
export type TensorVersion = z.output<typeof tensorVersionSchema>;

const plannedView = z.looseObject({
  name: z.string(),
  keys: z.array(z.string()),
  features: z.array(z.looseObject({ name: z.string() })),
});

/** What is looked up for a request. Its views are the feature domain's to read; serving knows their names and keys. */
export const featurePlanSchema = z.custom<FeaturePlan>(
  (value) => z.object({ views: z.array(plannedView) }).safeParse(value).success,
  'expected a feature plan',
);

/** A fallback of an endpoint with the version that it means; one that means none is not in the table. */
const fallbackRoute = z.discriminatedUnion('by', [
  z.object({ by: z.enum(['previous', 'model']), arm: armSchema }),
  z.object({ by: z.literal('rule'), rule: ruleSpec }),
  z.object({ by: z.literal('constant'), score: z.number() }),
]);
export type FallbackRoute = z.output<typeof fallbackRoute>;

export const routedEndpointSchema = z.object({
  name: z.string(),
  current: armSchema,
  /** Weight in percent of the answers; a shadow has 0 and is only scored beside. */
  candidate: armSchema.extend({ weight: z.number().min(0).max(100), shadow: z.boolean() }).optional(),
  /** Several candidates in its place: each has its weight in percent, and nobody is scored beside. */
  arms: z
    .array(armSchema.extend({ name: z.string(), weight: z.number().min(0).max(100) }))
    .max(8)
    .optional(),
  features: featurePlanSchema.nullable(),
  guardrail: z.object({
    errorRateMax: z.number(),
    latencyP95MsMax: z.number(),
    requestsMin: z.number().int(),
    windowMs: z.number(),
  }),
  timeoutMs: z.number(),
  /** Its models stay in memory. */
  pinned: z.boolean().optional(),
  /** Of a rollout that is decided on live traffic: gateways report what they see of it. */
  live: z
    .object({
      blockMs: z.number(),
      /** The entity key whose values keep their arm; null draws each request anew. */
      sticky: z.string().nullable(),
      /** Requests may name their arm. */
      override: z.boolean(),
      /** Who may name it by header. */
      armKeys: z.array(z.object({ name: z.string(), sha256: z.string() })).optional(),
      /** Of a contextual bandit: the arm is drawn by what it learnt, with the probability that is recorded. */
      policy: z
        .object({
          context: z.array(z.object({ input: z.string(), mean: z.number(), scale: z.number() })),
          arms: z
            .array(z.object({ inverse: z.array(z.array(z.number())), b: z.array(z.number()) }))
            .min(2)
            .max(9),
          /** Of several candidates: whose are the arms, the current revision first. */
          names: z.array(z.string()).optional(),
          width: z.number(),
          floor: z.number(),
        })
        .optional(),
      /** Conditions on a request and the arm that it then gets; the first that holds. */
      flags: z.array(z.object({ name: z.string(), when: z.string(), arm: z.string() })).optional(),
    })
    .optional(),
  rollout: z.string().optional(),
  /** A rollout whose candidate a gateway has to check before it gets traffic. */
  check: z.string().optional(),
  protection: protectionSpec.optional(),
  batching: batchingSpec.optional(),
  fallbacks: z.array(fallbackRoute).optional(),
  locked: z.boolean(),
});
export type RoutedEndpoint = z.output<typeof routedEndpointSchema>;

export const routingTableSchema = z.object({
  version: z.number().int(),
  endpoints: z.record(z.string(), routedEndpointSchema),
});
export type RoutingTable = z.output<typeof routingTableSchema>;
