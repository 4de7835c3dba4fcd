import { z } from 'zod';
import { DURATION_PATTERN, durationMs } from '#core/units';
import { nameSchema } from '#platform/contract';

const MINUTE_MS = 60_000;
const WINDOW_MS_MAX = 92 * 86_400_000;

/** Durations are checked here, so that nothing that was applied fails when it is evaluated. */
const duration = z.string().regex(DURATION_PATTERN, 'expected a duration such as 30m, 24h or 7d');
const windowLength = duration.refine(
  (text) => {
    const ms = DURATION_PATTERN.test(text) ? durationMs(text) : 0;
    return ms >= MINUTE_MS && ms <= WINDOW_MS_MAX && ms % MINUTE_MS === 0;
  },
  { message: 'expected whole minutes, from 1m to 92d' },
);

export const metricName = z.enum(['auc', 'log-loss', 'ece', 'brier', 'mean-prediction', 'base-rate']);
export type MetricName = z.output<typeof metricName>;

const featureName = z.string().min(1).max(200);

const driftSpec = z.strictObject({
  features: z.union([z.literal('all'), z.array(featureName).min(1).max(10_000)]).default('all'),
  /** How the threshold of a feature comes from the PSI of held-out windows of the reference. */
  threshold: z
    .strictObject({
      quantile: z.number().gt(0).lt(1).default(0.99),
      floor: z.number().min(0).max(100).default(0.05),
      windowsMin: z.number().int().min(2).max(10_000).default(20),
    })
    .default({ quantile: 0.99, floor: 0.05, windowsMin: 20 }),
});
export type DriftSpec = z.output<typeof driftSpec>;

const alertSpec = z
  .strictObject({
    name: nameSchema,
    metric: z.union([metricName, z.literal('psi')]),
    /** `calibrated` takes the threshold that each PSI figure carries. */
    above: z.union([z.number(), z.literal('calibrated')]).optional(),
    below: z.number().optional(),
    /** Of the metric `psi`: one feature, or `any`, where each feature is counted by itself. */
    feature: featureName.optional(),
    /** The alert fires while `k` of the last `n` windows are beyond the limit. */
    k: z.number().int().min(1).max(100).default(2),
    n: z.number().int().min(1).max(100).default(3),
  })
  .refine((alert) => (alert.above === undefined) !== (alert.below === undefined), {
    message: 'expected either above or below',
    path: ['above'],
  })
  .refine((alert) => alert.k <= alert.n, { message: 'expected at most n', path: ['k'] })
  .refine((alert) => alert.above !== 'calibrated' || alert.metric === 'psi', {
    message: 'only psi has calibrated thresholds; expected a number',
    path: ['above'],
  })
  .refine((alert) => alert.feature === undefined || alert.metric === 'psi', {
    message: 'only psi is measured by feature',
    path: ['feature'],
  });
export type AlertSpec = z.output<typeof alertSpec>;

/** The spec of the resource kind `monitor`: what is measured of an endpoint's predictions, window by window. */
export const monitorSpec = z
  .strictObject({
    description: z.string().max(2_000).default(''),
    endpoint: nameSchema,
    /** Length of the windows of event time, which start at multiples of it from the epoch. Fixed for a monitor. */
    window: windowLength,
    /** How long after its end a window waits for labels before quality is measured. */
    labelLateness: duration.default('0ms'),
    metrics: z
      .array(metricName)
      .max(6)
      .default(['auc', 'log-loss', 'ece', 'brier', 'mean-prediction', 'base-rate'])
      .refine((names) => new Set(names).size === names.length, 'expected each metric once'),
    drift: driftSpec.optional(),
    alerts: z.array(alertSpec).max(100).default([]),
    /** Who says how far the stream is complete: its sender, or the clock of the machine. */
    clock: z.enum(['declared', 'wall']).default('wall'),
  })
  .refine((spec) => new Set(spec.alerts.map((alert) => alert.name)).size === spec.alerts.length, {
    message: 'expected a different name for each alert',
    path: ['alerts'],
  })
  .refine((spec) => spec.drift !== undefined || spec.alerts.every((alert) => alert.metric !== 'psi'), {
    message: 'an alert on psi needs drift',
    path: ['drift'],
  })
  .refine((spec) => spec.alerts.every(({ metric }) => metric === 'psi' || spec.metrics.includes(metric)), {
    message: 'an alert needs its metric among the metrics',
    path: ['metrics'],
  });
export type MonitorSpec = z.output<typeof monitorSpec>;
