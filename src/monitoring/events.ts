import { z } from 'zod';
import { defineEvent } from '#platform/events';

/** An alert began to fire, or does not any more. Subject `monitor/<name>`. */
export const monitoringSignal = defineEvent(
  'monitoring.signal',
  z.object({
    monitor: z.string(),
    endpoint: z.string(),
    alert: z.string(),
    metric: z.string(),
    feature: z.string().nullable(),
    state: z.enum(['firing', 'resolved']),
    /** Of the newest window; null when the metric is undefined there. */
    value: z.number().nullable(),
    threshold: z.number().nullable(),
    /** Event time in epoch milliseconds. */
    at: z.number(),
    sentence: z.string(),
  }),
);

/**
 * A monitor has evaluated a window: in its stream, event time has passed `to` and every signal up to then is published.
 * One for each stage of each window, however the watermark moved. Subject `monitor/<name>`.
 */
export const watermarkAdvanced = defineEvent(
  'monitoring.watermark-advanced',
  z.object({ monitor: z.string(), endpoint: z.string(), to: z.number() }),
);
