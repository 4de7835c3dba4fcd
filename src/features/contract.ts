import { z } from 'zod';
import { DURATION_PATTERN } from '#core/units';
import { contract, nameSchema, route } from '#platform/contract';

const duration = z.string().regex(DURATION_PATTERN, 'expected a duration such as 30m, 24h or 7d');
const columnName = z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,62}$/, 'expected a column name');

const featureSpec = z.strictObject({
  /** The name models know the feature by; unique among the views that are used together. */
  name: columnName,
  aggregate: z.enum(['count', 'sum', 'mean']),
  column: columnName.optional(),
  window: duration,
});

/** The spec of the resource kind `feature-view`: aggregates over the recent rows of one entity of a dataset. */
export const featureViewSpec = z
  .strictObject({
    description: z.string().max(2_000).default(''),
    dataset: nameSchema,
    /** Columns that together name the entity. */
    keys: z.array(columnName).min(1).max(8),
    /**
     * Which time orders the window: `known` sees a row from when it became known, `event` from when it happened. Only
     * `known` is safe for values that arrive late; the leak check tells.
     */
    time: z.enum(['known', 'event']).default('known'),
    features: z.array(featureSpec).min(1).max(200),
    online: z.boolean().default(true),
    /** How far behind the newest row an online read may look and still be exact. */
    lateness: duration.default('2d'),
  })
  .refine((spec) => spec.features.every((f) => f.aggregate === 'count' || f.column !== undefined), {
    message: 'sum and mean need a column',
    path: ['features'],
  });
export type FeatureViewSpec = z.output<typeof featureViewSpec>;

const values = z.record(z.string(), z.number().nullable());

export const featuresContract = contract({
  readFeatures: route({
    method: 'GET',
    path: '/api/v1/feature-views/:view/online',
    summary: 'Read the features of one entity as of a time, as the gateway reads them',
    permission: 'features:read',
    params: z.object({ view: nameSchema }),
    query: z.object({
      /** The entity's key values, separated by commas, in the order of the view's keys. */
      entity: z.string().min(1).max(1_000),
      at: z.coerce.number(),
    }),
    reply: z.object({ view: z.string(), at: z.number(), values }),
    errors: ['resources/not-found', 'features/window-out-of-reach'],
  }),
});
