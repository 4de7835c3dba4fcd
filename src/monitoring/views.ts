import { z } from 'zod';

/** What was served beside what training computes from the same data. */
export const skewReport = z.object({
  rows: z.number().int(),
  values: z.number().int(),
  mismatched: z.number().int(),
  /** Features with values that differ, worst first. */
  features: z.array(z.object({ feature: z.string(), mismatched: z.number().int() })),
  examples: z.array(
    z.object({
      prediction: z.string(),
      at: z.number(),
      feature: z.string(),
      online: z.number().nullable(),
      offline: z.number().nullable(),
    }),
  ),
  sentence: z.string(),
});
export type SkewReport = z.output<typeof skewReport>;

const interval = z.object({ low: z.number(), high: z.number() }).nullable();
const valueEstimate = z.object({
  value: z.number().nullable(),
  /** Confidence sequence over sums of hours; null in the first eight. */
  interval,
  /** The same as if requests were independent, which they are not: for comparison. */
  intervalOfRequests: interval,
  /** How many requests of this policy the log is worth. */
  effective: z.number(),
  weightMax: z.number(),
});
/** What the log says of policies that it was not made by. */
export const policyValueView = z.object({
  /** Labelled requests whose arm was drawn, and the hours they lie in. */
  requests: z.number().int(),
  hours: z.number().int(),
  policies: z.array(z.object({ policy: z.string(), ips: valueEstimate, dr: valueEstimate })),
});
export type PolicyValueView = z.output<typeof policyValueView>;
