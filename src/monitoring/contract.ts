import { z } from 'zod';
import { contract, nameSchema, route } from '#platform/contract';
import { PACKED_PREDICTIONS } from '#serving/contract';
import { id, label, predictionRecord, RECORDS_MAX, recordedPredictions, revision, time } from './records.ts';
import { metricName } from './spec.ts';
import { policyValueView, skewReport } from './views.ts';

export type { Label, PredictionRecord } from './records.ts';
export { type AlertSpec, type DriftSpec, type MetricName, type MonitorSpec, monitorSpec } from './spec.ts';
export type { PolicyValueView, SkewReport } from './views.ts';

const RECORD_BODY_BYTES_MAX = 8 * 1_048_576;

const queryTime = z.coerce.number().int().min(0).max(253_402_300_799_999);

const signalView = z.object({
  monitor: z.string(),
  endpoint: z.string(),
  alert: z.string(),
  metric: z.string(),
  /** The feature, for the metric `psi`. */
  feature: z.string().nullable(),
  state: z.enum(['firing', 'resolved']),
  /** Event time: the watermark at which the window became due, in epoch milliseconds. */
  at: z.number(),
  value: z.number().nullable(),
  threshold: z.number().nullable(),
  /** The windows that were looked at, oldest first. */
  windows: z.array(
    z.object({
      start: z.number(),
      value: z.number().nullable(),
      threshold: z.number().nullable(),
      beyond: z.boolean(),
    }),
  ),
  sentence: z.string(),
});
export type SignalView = z.output<typeof signalView>;

const evaluatedItem = z.object({
  kind: z.enum(['reopened', 'inputs', 'quality', 'block']),
  /** The monitor, or the rollout of a block. */
  of: z.string(),
  start: z.number(),
  dueAt: z.number(),
  /** Figures that were published; for a block 1 when an event was. */
  published: z.number().int(),
});
export type EvaluatedItem = z.output<typeof evaluatedItem>;

const advanceView = z.object({
  endpoint: z.string(),
  watermark: z.number(),
  /** What was evaluated, in order; at most 1000 are listed, `count` has them all. */
  evaluated: z.array(evaluatedItem),
  count: z.number().int(),
  signals: z.array(signalView),
});
export type AdvanceView = z.output<typeof advanceView>;

const figureView = z.object({
  monitor: z.string(),
  window: z.number(),
  windowMs: z.number(),
  revision: z.string(),
  metric: z.string(),
  version: z.number().int(),
  value: z.number().nullable(),
  requests: z.number().int(),
  labelled: z.number().int(),
  at: z.number(),
});
export type FigureView = z.output<typeof figureView>;

const driftCell = z.object({
  window: z.number(),
  feature: z.string(),
  value: z.number().nullable(),
  /** Null when the reference has too few held-out windows to calibrate one. */
  threshold: z.number().nullable(),
  revision: z.string(),
  requests: z.number().int(),
  version: z.number().int(),
  at: z.number(),
});
export type DriftCell = z.output<typeof driftCell>;

const histogram = driftCell.extend({
  monitor: z.string(),
  kind: z.enum(['numeric', 'category']),
  /** Edges of the bins of a number; the first and the last bin are open to the outside. */
  edges: z.array(z.number()),
  /** Names of the bins, as many as there are counts; the last is `missing`. */
  bins: z.array(z.string()),
  reference: z.array(z.number()),
  current: z.array(z.number()),
});

const blockView = z.object({
  start: z.number(),
  requests: z.number().int(),
  lossDifferenceSum: z.number(),
  currentLossSum: z.number(),
  candidateLossSum: z.number(),
  candidateFailures: z.number().int(),
});
export type BlockView = z.output<typeof blockView>;

const labelView = z.object({ value: z.number(), at: z.number().nullable(), knownAt: z.number() });
const predictionView = predictionRecord.omit({ numeric: true, categories: true }).extend({
  /** By the names of the signature; by position (`numeric.0`) when the revision is not known any more. */
  inputs: z.record(z.string(), z.union([z.number(), z.string(), z.null()])),
  label: labelView.nullable(),
  /** Log-loss of the answer and of the score beside it, once labelled. */
  loss: z.object({ answered: z.number().nullable(), shadow: z.number().nullable() }).nullable(),
});
export type PredictionView = z.output<typeof predictionView>;

const pairedMetrics = z.object({ auc: z.number().nullable(), logLoss: z.number().nullable() });
const comparisonView = z.object({
  a: z.string(),
  b: z.string(),
  /** Weeks from Monday 00:00 UTC, over labelled requests that both revisions scored. */
  weeks: z.array(z.object({ start: z.number(), requests: z.number().int(), a: pairedMetrics, b: pairedMetrics })),
  requests: z.number().int(),
  /** Log-loss of b minus log-loss of a over all, with a 95 % interval by days; null under five days. */
  difference: z.object({ estimate: z.number(), low: z.number(), high: z.number(), days: z.number().int() }).nullable(),
});

const summaryView = z.object({
  endpoint: z.string(),
  watermark: z.number().nullable(),
  predictions: z.object({
    total: z.number().int(),
    labelled: z.number().int(),
    firstAt: z.number().nullable(),
    lastAt: z.number().nullable(),
  }),
  monitors: z.array(
    z.object({
      monitor: z.string(),
      window: z.string(),
      clock: z.enum(['declared', 'wall']),
      /** Event times up to which inputs and quality are evaluated. */
      inputsUntil: z.number(),
      qualityUntil: z.number(),
      /** The newest figure of each metric over all revisions. */
      figures: z.array(figureView),
      firing: z.array(signalView),
    }),
  ),
});
export type SummaryView = z.output<typeof summaryView>;

const ofEndpoint = z.object({ endpoint: nameSchema });
const range = { from: queryTime.default(0), to: queryTime.default(253_402_300_799_999) };

export const monitoringContract = contract({
  recordPredictions: route({
    method: 'POST',
    path: '/api/v1/predictions',
    summary: 'Record answered predictions. A record whose id is known is counted and changes nothing',
    permission: 'predictions:record',
    body: recordedPredictions,
    bodyBytesMax: RECORD_BODY_BYTES_MAX,
    reply: z.object({ recorded: z.number().int(), duplicates: z.number().int() }),
    audit: 'prediction.record',
  }),
  recordPackedPredictions: route({
    method: 'POST',
    path: '/api/v1/predictions/packed',
    summary:
      'Record answered predictions as a gateway has them in its log. As recordPredictions, of which it is the fast way',
    permission: 'predictions:record',
    upload: [PACKED_PREDICTIONS],
    bodyBytesMax: RECORD_BODY_BYTES_MAX,
    reply: z.object({ recorded: z.number().int(), duplicates: z.number().int() }),
    errors: ['monitoring/packed-predictions'],
    audit: 'prediction.record',
  }),
  recordLabels: route({
    method: 'POST',
    path: '/api/v1/labels',
    summary: 'Record what really happened, by prediction id, before or after the prediction itself; the first wins',
    permission: 'monitoring:write',
    body: z.object({ labels: z.array(label).min(1).max(RECORDS_MAX) }),
    reply: z.object({ recorded: z.number().int(), duplicates: z.number().int() }),
    audit: 'label.record',
  }),
  advanceWatermark: route({
    method: 'POST',
    path: '/api/v1/endpoints/:endpoint/watermark',
    summary: "Declare how far an endpoint's stream is complete in event time, and evaluate what became due",
    permission: 'monitoring:write',
    params: ofEndpoint,
    body: z.strictObject({ to: time }),
    reply: advanceView,
    errors: ['monitoring/wall-clock'],
    audit: 'watermark.advance',
  }),
  auditSkew: route({
    method: 'POST',
    path: '/api/v1/endpoints/:endpoint/skew-audit',
    summary: 'Recompute the features of recorded predictions offline and compare them value by value',
    permission: 'monitoring:write',
    params: ofEndpoint,
    body: z.strictObject({ from: time, to: time, sample: z.number().int().min(1).max(2_000).default(200) }),
    reply: skewReport,
    errors: ['monitoring/nothing-to-audit', 'monitoring/range-too-large'],
    audit: 'skew.audit',
  }),
  listFigures: route({
    method: 'GET',
    path: '/api/v1/endpoints/:endpoint/figures',
    summary: 'Series of figures by window, oldest first, of the latest version or of all',
    permission: 'monitoring:read',
    params: ofEndpoint,
    query: z.object({
      monitor: nameSchema.optional(),
      metric: metricName.optional(),
      /** `*` is all of them together; every revision unless told. */
      revision: revision.optional(),
      ...range,
      versions: z.enum(['latest', 'all']).default('latest'),
      limit: z.coerce.number().int().min(1).max(10_000).default(5_000),
    }),
    reply: z.object({ items: z.array(figureView) }),
  }),
  getDrift: route({
    method: 'GET',
    path: '/api/v1/endpoints/:endpoint/drift',
    summary: 'PSI by feature and window, with the thresholds in force',
    permission: 'monitoring:read',
    params: ofEndpoint,
    query: z.object({ monitor: nameSchema.optional(), ...range }),
    reply: z.object({
      monitor: z.string(),
      windows: z.array(z.number()),
      features: z.array(z.object({ feature: z.string(), cells: z.array(driftCell) })),
    }),
    errors: ['monitoring/no-monitor', 'monitoring/range-too-large'],
  }),
  getHistograms: route({
    method: 'GET',
    path: '/api/v1/endpoints/:endpoint/drift/:feature',
    summary: "A feature's histogram in one window beside that of the reference",
    permission: 'monitoring:read',
    params: ofEndpoint.extend({ feature: z.string().min(1).max(200) }),
    query: z.object({ monitor: nameSchema.optional(), window: queryTime }),
    reply: histogram,
    errors: ['monitoring/no-monitor', 'monitoring/no-figure'],
  }),
  listSignals: route({
    method: 'GET',
    path: '/api/v1/signals',
    summary: 'Confirmed signals, newest first',
    permission: 'monitoring:read',
    query: z.object({
      endpoint: nameSchema.optional(),
      monitor: nameSchema.optional(),
      state: z.enum(['firing', 'resolved']).optional(),
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
    }),
    reply: z.object({ items: z.array(signalView) }),
  }),
  getPrediction: route({
    method: 'GET',
    path: '/api/v1/predictions/:prediction',
    summary: 'A recorded prediction with its inputs by name, its label and what it cost',
    permission: 'monitoring:read',
    params: z.object({ prediction: id }),
    reply: predictionView,
    errors: ['monitoring/prediction-not-found'],
  }),
  listLabelCoverage: route({
    method: 'GET',
    path: '/api/v1/endpoints/:endpoint/label-coverage',
    summary: 'How many predictions of each day have a label by now',
    permission: 'monitoring:read',
    params: ofEndpoint,
    query: z.object(range),
    reply: z.object({
      items: z.array(
        z.object({ day: z.number(), requests: z.number().int(), labelled: z.number().int(), share: z.number() }),
      ),
    }),
  }),
  listBlocks: route({
    method: 'GET',
    path: '/api/v1/endpoints/:endpoint/comparison-blocks',
    summary: 'The hourly paired losses of a rollout, in order',
    permission: 'monitoring:read',
    params: ofEndpoint,
    query: z.object({ rollout: id }),
    reply: z.object({ current: z.string().nullable(), candidate: z.string().nullable(), items: z.array(blockView) }),
  }),
  compareScores: route({
    method: 'GET',
    path: '/api/v1/endpoints/:endpoint/score-comparison',
    summary: 'Compare two revisions week by week on the stored scores of the same requests',
    permission: 'monitoring:read',
    params: ofEndpoint,
    query: z.object({ a: revision, b: revision, from: queryTime, to: queryTime }),
    reply: comparisonView,
    errors: ['monitoring/range-too-large'],
  }),
  getPolicyValue: route({
    method: 'GET',
    path: '/api/v1/rollouts/:rollout/policy-value',
    summary: 'Estimate from the log how often the label would be 1 if one arm of a rollout had answered everything',
    permission: 'monitoring:read',
    params: z.object({ rollout: id }),
    reply: policyValueView,
    errors: ['monitoring/range-too-large'],
  }),
  getSummary: route({
    method: 'GET',
    path: '/api/v1/endpoints/:endpoint/summary',
    summary: "An endpoint's predictions, the newest figures of its monitors and what fires",
    permission: 'monitoring:read',
    params: ofEndpoint,
    reply: summaryView,
  }),
});
