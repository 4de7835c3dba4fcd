import { z } from 'zod';
import { contract, pageOf, pageQuery, route } from '#platform/contract';
import { importRoutes } from './imports/contract.ts';
import {
  artifactPathSchema,
  artifactView,
  causeSchema,
  experimentName,
  experimentView,
  finalStatus,
  key,
  lifecycle,
  metricPoint,
  runId,
  runLineageView,
  runStatus,
  runView,
  SERIES_PAGE_MAX,
  sentNumber,
  seriesView,
  text,
  timestamp,
} from './shapes.ts';

import { spanDetailView, spanId, traceId, traceView, traceWithSpansView } from './traces/shapes.ts';

export {
  type Artifact,
  artifactPathSchema,
  causeSchema,
  digestSchema,
  type Experiment,
  type FinalStatus,
  type RunStatus,
  runStatus,
} from './shapes.ts';

export const BATCH_METRICS_MAX = 1_000;
export const BATCH_KEYS_MAX = 100;

const step = z.number().int().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER);
const keyed = (value: z.ZodString) =>
  z.record(key, value).refine((map) => Object.keys(map).length <= BATCH_KEYS_MAX, {
    message: `expected at most ${BATCH_KEYS_MAX} keys in one batch`,
  });

export const logBatch = z.strictObject({
  /** Immutable once logged: the same value again is accepted, another is refused. */
  params: keyed(text(6_000)).default({}),
  metrics: z
    .array(
      z.strictObject({
        key,
        value: sentNumber,
        step: step.default(0),
        /** Epoch milliseconds; the time of the request unless told. */
        timestamp: timestamp.optional(),
      }),
    )
    .max(BATCH_METRICS_MAX)
    .default([]),
  /** The newest value of a tag replaces the one before. */
  tags: keyed(text(8_000)).default({}),
});
export type LogBatch = z.input<typeof logBatch>;

export const runDraft = z.strictObject({
  /** Chosen by the caller so that a retry finds the run it made; made up when left out. */
  id: runId.optional(),
  /** The name of the experiment, which is created if there is none. */
  experiment: experimentName,
  /** The id of the run unless told. */
  name: text(500).min(1).optional(),
  /** The pipeline step that this run belongs to. */
  source: z.strictObject({ run: text(256).min(1), step: text(256).min(1) }).optional(),
  cause: causeSchema.optional(),
  /** Epoch milliseconds; the time of the request unless told. */
  startedAt: timestamp.optional(),
  params: logBatch.shape.params,
  tags: logBatch.shape.tags,
});
export type RunDraft = z.input<typeof runDraft>;

const byExperiment = z.object({ experiment: z.string().min(1).max(40) });
const byRun = z.object({ run: runId });
const runFilter = z.object({
  /** As MLflow's clients write it, and with OR, NOT and parentheses: `metrics.loss < 1 AND tags.team = 'risk'`. */
  filter: text(8_000).default(''),
  lifecycle: lifecycle.default('active'),
});
const seriesToken = z.string().max(12_000).optional();
/** As MLflow's clients write it, and with OR, NOT and parentheses: `span.type = 'LLM' AND status = 'ERROR'`. */
const traceFilter = z.object({ filter: text(8_000).default('') });

export const trackingContract = contract({
  ...importRoutes,
  ensureExperiment: route({
    method: 'POST',
    path: '/api/v1/tracking/experiments',
    summary: 'Find an experiment by its name, or create it',
    permission: 'tracking:write',
    checksObjects: true,
    body: z.strictObject({ name: experimentName }),
    reply: experimentView,
    errors: ['tracking/experiment-deleted'],
    audit: 'experiment.create',
  }),
  listExperiments: route({
    method: 'GET',
    path: '/api/v1/tracking/experiments',
    summary: 'List experiments, newest first, or find the one of a name',
    permission: 'tracking:read',
    checksObjects: true,
    query: pageQuery.extend({ name: experimentName.optional(), lifecycle: lifecycle.default('active') }),
    reply: pageOf(experimentView),
    errors: ['tracking/invalid-cursor'],
  }),
  deleteExperiment: route({
    method: 'DELETE',
    path: '/api/v1/tracking/experiments/:experiment',
    summary: 'Delete an experiment and its runs; both can be restored, and the name stays taken',
    permission: 'tracking:write',
    checksObjects: true,
    params: byExperiment,
    reply: experimentView,
    errors: ['tracking/experiment-not-found'],
    audit: 'experiment.delete',
  }),
  restoreExperiment: route({
    method: 'POST',
    path: '/api/v1/tracking/experiments/:experiment/restore',
    summary: 'Restore a deleted experiment with the runs that were deleted along with it',
    permission: 'tracking:write',
    checksObjects: true,
    params: byExperiment,
    reply: experimentView,
    errors: ['tracking/experiment-not-found'],
    audit: 'experiment.restore',
  }),
  createTrackingRun: route({
    method: 'POST',
    path: '/api/v1/tracking/runs',
    summary: 'Start a run of an experiment. With an id of its own it can be sent again',
    permission: 'tracking:write',
    checksObjects: true,
    body: runDraft,
    reply: runView,
    errors: ['tracking/experiment-deleted', 'tracking/run-exists', 'tracking/run-deleted'],
    audit: 'tracking-run.create',
  }),
  searchTrackingRuns: route({
    method: 'GET',
    path: '/api/v1/tracking/runs',
    summary: 'List runs, newest first, of an experiment, a status or a pipeline run',
    permission: 'tracking:read',
    checksObjects: true,
    query: pageQuery.extend({
      /** The id or the name of an experiment. */
      experiment: experimentName.optional(),
      status: runStatus.optional(),
      sourceRun: text(256).min(1).optional(),
      lifecycle: lifecycle.default('active'),
    }),
    reply: pageOf(runView),
    errors: ['tracking/invalid-cursor'],
  }),
  getTrackingRun: route({
    method: 'GET',
    path: '/api/v1/tracking/runs/:run',
    summary: 'Describe a run with its params, tags and latest metrics',
    permission: 'tracking:read',
    checksObjects: true,
    params: byRun,
    reply: runView,
    errors: ['tracking/run-not-found'],
  }),
  logToTrackingRun: route({
    method: 'POST',
    path: '/api/v1/tracking/runs/:run/log',
    summary: 'Log params, metrics and tags. All of them are logged, or none',
    permission: 'tracking:write',
    checksObjects: true,
    params: byRun,
    body: logBatch,
    reply: z.object({ params: z.number().int(), metrics: z.number().int(), tags: z.number().int() }),
    errors: ['tracking/run-not-found', 'tracking/run-deleted', 'tracking/param-changed', 'tracking/limit'],
    audit: 'tracking-run.log',
  }),
  finishTrackingRun: route({
    method: 'POST',
    path: '/api/v1/tracking/runs/:run/finish',
    summary: 'End a run. Ending it again with the same status changes nothing',
    permission: 'tracking:write',
    checksObjects: true,
    params: byRun,
    body: z.strictObject({ status: finalStatus, endedAt: timestamp.optional() }),
    reply: runView,
    errors: ['tracking/run-not-found', 'tracking/run-deleted', 'tracking/run-over'],
    audit: 'tracking-run.finish',
  }),
  deleteTrackingRun: route({
    method: 'DELETE',
    path: '/api/v1/tracking/runs/:run',
    summary: 'Delete a run; it can be restored',
    permission: 'tracking:write',
    checksObjects: true,
    params: byRun,
    reply: runView,
    errors: ['tracking/run-not-found'],
    audit: 'tracking-run.delete',
  }),
  restoreTrackingRun: route({
    method: 'POST',
    path: '/api/v1/tracking/runs/:run/restore',
    summary: 'Restore a deleted run',
    permission: 'tracking:write',
    checksObjects: true,
    params: byRun,
    reply: runView,
    errors: ['tracking/run-not-found', 'tracking/experiment-deleted'],
    audit: 'tracking-run.restore',
  }),
  metricHistory: route({
    method: 'GET',
    path: '/api/v1/tracking/runs/:run/metrics',
    summary: 'List the values of one metric in the order of their steps',
    permission: 'tracking:read',
    checksObjects: true,
    params: byRun,
    query: pageQuery.extend({ key }),
    reply: pageOf(metricPoint),
    errors: ['tracking/run-not-found', 'tracking/invalid-cursor'],
  }),
  putArtifact: route({
    method: 'PUT',
    path: '/api/v1/tracking/runs/:run/artifacts',
    summary: 'Store a file of a run. The same path again replaces it',
    permission: 'tracking:write',
    checksObjects: true,
    params: byRun,
    query: z.object({ path: artifactPathSchema }),
    upload: ['application/octet-stream'],
    reply: artifactView,
    errors: [
      'tracking/run-not-found',
      'tracking/run-deleted',
      'tracking/artifact-conflict',
      'tracking/artifact-locked',
      'tracking/limit',
    ],
    audit: 'tracking-run.put-artifact',
  }),
  listArtifacts: route({
    method: 'GET',
    path: '/api/v1/tracking/runs/:run/artifacts',
    summary: 'List the files of a run, or those below one folder, by path',
    permission: 'tracking:read',
    checksObjects: true,
    params: byRun,
    query: z.object({ folder: artifactPathSchema.optional() }),
    reply: z.object({ items: z.array(artifactView) }),
    errors: ['tracking/run-not-found'],
  }),
  getArtifact: route({
    method: 'GET',
    path: '/api/v1/tracking/runs/:run/artifact',
    summary: 'Find one file of a run. Its bytes are at /api/v1/blobs/<digest>',
    permission: 'tracking:read',
    checksObjects: true,
    params: byRun,
    query: z.object({ path: artifactPathSchema }),
    reply: artifactView,
    errors: ['tracking/run-not-found', 'tracking/artifact-not-found'],
  }),
  getExperiment: route({
    method: 'GET',
    path: '/api/v1/tracking/experiments/:experiment',
    summary: 'Describe an experiment',
    permission: 'tracking:read',
    checksObjects: true,
    params: byExperiment,
    reply: experimentView.extend({ tags: z.record(z.string(), z.string()) }),
    errors: ['tracking/experiment-not-found'],
  }),
  findRuns: route({
    method: 'GET',
    path: '/api/v1/tracking/experiments/:experiment/runs',
    summary: 'List the runs of an experiment that a filter finds, newest first unless ordered otherwise',
    permission: 'tracking:read',
    checksObjects: true,
    params: byExperiment,
    query: runFilter.extend({
      /** What the runs are ordered by, as in `metrics.loss DESC`. */
      order: text(1_000).default(''),
      after: seriesToken,
      limit: pageQuery.shape.limit,
    }),
    reply: pageOf(runView),
    errors: [
      'tracking/experiment-not-found',
      'search/invalid-filter',
      'search/invalid-order',
      'search/invalid-page-token',
    ],
  }),
  countRuns: route({
    method: 'GET',
    path: '/api/v1/tracking/experiments/:experiment/run-count',
    summary: 'Count the runs of an experiment that a filter finds',
    permission: 'tracking:read',
    checksObjects: true,
    params: byExperiment,
    query: runFilter,
    reply: z.object({ runs: z.number().int() }),
    errors: ['tracking/experiment-not-found', 'search/invalid-filter'],
  }),
  listRunKeys: route({
    method: 'GET',
    path: '/api/v1/tracking/experiments/:experiment/run-keys',
    summary: 'List the metrics, params and tags that the newest 1,000 runs of an experiment have',
    permission: 'tracking:read',
    checksObjects: true,
    params: byExperiment,
    reply: z.object({ metrics: z.array(z.string()), params: z.array(z.string()), tags: z.array(z.string()) }),
    errors: ['tracking/experiment-not-found'],
  }),
  metricSeries: route({
    method: 'GET',
    path: '/api/v1/tracking/runs/:run/series',
    summary: 'Read the points of one metric by column, in the order of their times, up to 25,000 a page',
    permission: 'tracking:read',
    checksObjects: true,
    params: byRun,
    query: z.object({
      key,
      after: seriesToken,
      limit: z.coerce.number().int().min(1).max(SERIES_PAGE_MAX).default(SERIES_PAGE_MAX),
    }),
    reply: seriesView,
    errors: ['tracking/run-not-found', 'search/invalid-page-token'],
  }),
  getRunLineage: route({
    method: 'GET',
    path: '/api/v1/tracking/runs/:run/lineage',
    summary: 'List the data sets and logged models that a run read and made',
    permission: 'tracking:read',
    checksObjects: true,
    params: byRun,
    reply: runLineageView,
    errors: ['tracking/run-not-found'],
  }),
  findTraces: route({
    method: 'GET',
    path: '/api/v1/tracking/experiments/:experiment/traces',
    summary: 'Find traces of an experiment by a filter, in an order, page by page',
    permission: 'tracking:read',
    checksObjects: true,
    params: byExperiment,
    query: traceFilter.extend({
      /** As MLflow's clients write it: `execution_time_ms DESC`. The newest come first unless told. */
      order: text(1_000).default(''),
      limit: pageQuery.shape.limit,
      after: seriesToken,
    }),
    reply: pageOf(traceView),
    errors: ['tracking/experiment-not-found'],
  }),
  countTraces: route({
    method: 'GET',
    path: '/api/v1/tracking/experiments/:experiment/trace-count',
    summary: 'Count the traces of an experiment that a filter finds',
    permission: 'tracking:read',
    checksObjects: true,
    params: byExperiment,
    query: traceFilter,
    reply: z.object({ traces: z.number().int() }),
    errors: ['tracking/experiment-not-found'],
  }),
  getTrace: route({
    method: 'GET',
    path: '/api/v1/tracking/traces/:trace',
    summary: 'Read a trace with its spans, without what lies in them',
    permission: 'tracking:read',
    checksObjects: true,
    params: z.object({ trace: traceId }),
    reply: traceWithSpansView,
    errors: ['tracking/trace-not-found'],
  }),
  getSpan: route({
    method: 'GET',
    path: '/api/v1/tracking/traces/:trace/spans/:span',
    summary: 'Read one span of a trace with its inputs, outputs, attributes and events',
    permission: 'tracking:read',
    checksObjects: true,
    params: z.object({ trace: traceId, span: spanId }),
    reply: spanDetailView,
    errors: ['tracking/trace-not-found', 'tracking/span-not-found'],
  }),
});
