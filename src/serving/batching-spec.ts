import { z } from 'zod';

/** How requests of an endpoint wait for their model, and are joined into runs. */
export const batchingSpec = z.strictObject({
  /** Rows of one run. */
  maxRows: z.number().int().min(1).max(10_000).default(512),
  /** How long a row waits for others to join its run; 0 joins what comes in one turn of the event loop. */
  maxDelayMs: z.number().min(0).max(10_000).default(0),
  /**
   * Requests of one priority that wait in a gateway, whatever the rows in them; past it they are refused. Null is any
   * number.
   */
  queueMax: z.number().int().min(1).max(10_000).nullable().default(null),
  /** How long a request waits for its run; it may name a shorter time. Null is as long as its time-out allows. */
  queueTimeoutMs: z.number().min(0.1).max(600_000).nullable().default(null),
  /** Past that time it is refused, or runs after those of its priority that are in time. */
  whenLate: z.enum(['reject', 'delay']).default('reject'),
  /** Priority 1 goes before 2, and so on. Null knows none. */
  priorities: z
    .strictObject({
      levels: z.number().int().min(2).max(100),
      /** Of requests that name none, or one that there is not. */
      default: z.number().int().min(1).max(100),
    })
    .refine(({ levels, default: level }) => level <= levels, {
      message: 'expected one of the levels',
      path: ['default'],
    })
    .nullable()
    .default(null),
});
export type BatchingSpec = z.output<typeof batchingSpec>;
