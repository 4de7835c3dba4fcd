import { z } from 'zod';
import type { Digest } from '#core/hash';
import { contract, pageOf, pageQuery, route } from '#platform/contract';

/** Text without NUL, which not every SQL dialect can store. */
const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\0'), 'expected text without NUL');
const key = text(250).min(1);
const timestamp = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Why something was started, as it is sent and stored: see `Cause`. */
export const causeSchema = z.object({
  kind: z.enum(['user', 'rule', 'event', 'schedule']),
  id: text(300).min(1),
  depth: z.number().int().min(0).max(1_000),
  at: z.number().optional(),
});

export const digestSchema = z.custom<Digest>(
  (value) => typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value),
  'expected sha256: and 64 lower-case hexadecimal digits',
);

/**
 * Where an artifact lies within its run: names joined by `/`, as in `plots/roc.svg`. Nothing that a file system or an
 * URL could take for another place: no `..`, no absolute path, no empty name, no control character, no backslash, and
 * no `%2e` or `%2f`, which a second decoding would turn into those.
 */
export const artifactPathSchema = z.string().min(1).max(1_000).refine(isArtifactPath, {
  message: "expected a relative path of names joined by '/', without '..', as in plots/roc.svg",
});

function isArtifactPath(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here.
  if (/[\u0000-\u001f\u007f\\]|%2e|%2f|^[A-Za-z]:/i.test(path)) return false;
  return path.split('/').every((name) => name !== '' && name !== '.' && name !== '..' && name.length <= 255);
}

/** A number; NaN and the infinities, which JSON does not have, are sent as these texts. */
const sentNumber = z.union([
  z.number(),
  z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number),
  z.custom<number>((value) => typeof value === 'number', "expected a number, 'NaN', 'Infinity' or '-Infinity'"),
]);
const answeredNumber = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]);

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

export const runStatus = z.enum(['running', 'finished', 'failed', 'killed']);
export type RunStatus = z.output<typeof runStatus>;
const finalStatus = runStatus.exclude(['running']);
export type FinalStatus = z.output<typeof finalStatus>;

const experimentName = text(500).min(1);
const runId = z.string().regex(/^[A-Za-z0-9][\w-]{0,255}$/, 'expected letters, digits, _ and -, at most 256');
const lifecycle = z.enum(['active', 'deleted']);

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

const experimentView = z.object({
  /** An integer as text. 0 is kept for MLflow's experiment `Default`. */
  id: z.string(),
  name: z.string(),
  lifecycle,
  createdAt: z.number(),
  createdBy: z.string(),
});
export type Experiment = z.output<typeof experimentView>;

const runView = z.object({
  id: z.string(),
  name: z.string(),
  experiment: z.object({ id: z.string(), name: z.string() }),
  status: runStatus,
  lifecycle,
  startedBy: z.string(),
  startedAt: z.number(),
  endedAt: z.number().nullable(),
  source: z.object({ run: z.string(), step: z.string() }).nullable(),
  cause: causeSchema,
  params: z.record(z.string(), z.string()),
  tags: z.record(z.string(), z.string()),
  /** Of each metric the value of the highest step (then the latest time, then the largest value). */
  metrics: z.record(z.string(), z.object({ value: answeredNumber, step: z.number(), timestamp: z.number() })),
});

const metricPoint = z.object({ value: answeredNumber, step: z.number(), timestamp: z.number() });

const artifactView = z.object({
  path: z.string(),
  digest: digestSchema,
  bytes: z.number().int(),
  createdAt: z.number(),
});
export type Artifact = z.output<typeof artifactView>;

const byExperiment = z.object({ experiment: z.string().min(1).max(40) });
const byRun = z.object({ run: runId });

export const trackingContract = contract({
  ensureExperiment: route({
    method: 'POST',
    path: '/api/v1/tracking/experiments',
    summary: 'Find an experiment by its name, or create it',
    permission: 'tracking:write',
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
    query: pageQuery.extend({ name: experimentName.optional(), lifecycle: lifecycle.default('active') }),
    reply: pageOf(experimentView),
    errors: ['tracking/invalid-cursor'],
  }),
  deleteExperiment: route({
    method: 'DELETE',
    path: '/api/v1/tracking/experiments/:experiment',
    summary: 'Delete an experiment and its runs; both can be restored, and the name stays taken',
    permission: 'tracking:write',
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
    params: byRun,
    reply: runView,
    errors: ['tracking/run-not-found'],
  }),
  logToTrackingRun: route({
    method: 'POST',
    path: '/api/v1/tracking/runs/:run/log',
    summary: 'Log params, metrics and tags. All of them are logged, or none',
    permission: 'tracking:write',
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
    params: byRun,
    query: z.object({ path: artifactPathSchema }),
    upload: ['application/octet-stream'],
    reply: artifactView,
    errors: ['tracking/run-not-found', 'tracking/run-deleted', 'tracking/artifact-conflict', 'tracking/limit'],
    audit: 'tracking-run.put-artifact',
  }),
  listArtifacts: route({
    method: 'GET',
    path: '/api/v1/tracking/runs/:run/artifacts',
    summary: 'List the files of a run, or those below one folder, by path',
    permission: 'tracking:read',
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
    params: byRun,
    query: z.object({ path: artifactPathSchema }),
    reply: artifactView,
    errors: ['tracking/run-not-found', 'tracking/artifact-not-found'],
  }),
});
