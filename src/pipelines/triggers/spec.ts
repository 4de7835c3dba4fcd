import { z } from 'zod';
import { DURATION_PATTERN } from '#core/units';
import { nameSchema } from '#platform/contract';
import { unionWords } from '../union-words.ts';
import { whereSpec } from './where.ts';

const duration = z.string().regex(DURATION_PATTERN, 'expected a duration such as 30s or 1h');

const SOURCES = ['pipeline', 'dataset', 'webhook', 'event'] as const;

const source = z.union(
  [
    /** A run of another pipeline ends in one of these ways. */
    z.strictObject({
      pipeline: nameSchema,
      status: z
        .array(z.enum(['succeeded', 'failed', 'cancelled']))
        .min(1)
        .default(['succeeded']),
    }),
    /** Rows of a dataset were committed: it has a new snapshot. */
    z.strictObject({ dataset: nameSchema }),
    /** Somebody sends a signed request. */
    z.strictObject({ webhook: z.literal(true) }),
    /** The platform publishes an event of this type, and its fields are as `where` says. */
    z.strictObject({ event: z.string().min(1).max(100), where: whereSpec.default({}) }),
  ],
  { error: unionWords(SOURCES) },
);

/** The spec of the resource kind `trigger`: start a pipeline when something happens. */
export const triggerSpec = z.strictObject({
  description: z.string().max(2_000).default(''),
  pipeline: nameSchema,
  on: source,
  /**
   * Parameters of each run. In a text, `${at}` stands for the time, `${event.<name>}` for what happened: `run` and
   * `status`, `commit` and `batch`, what is at that path of the body of a webhook, or a field of the event.
   */
  params: z.record(z.string().max(60), z.union([z.string().max(1_000), z.number(), z.boolean()])).default({}),
  /** So long after the last of several events, at most ten times as long after the first, one run starts for all. */
  debounce: duration.default('0s'),
  /** At most so many runs within a span. What exceeds it waits, the newest event for all. */
  rate: z.strictObject({ runs: z.number().int().min(1).max(1_000), per: duration }).default({ runs: 60, per: '1h' }),
  /** A chain of automatic causes that is longer than this is a loop, and is cut. */
  depthMax: z.number().int().min(1).max(20).default(5),
});
export type TriggerSpec = z.output<typeof triggerSpec>;
