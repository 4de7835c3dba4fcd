import { z } from 'zod';
import { contract, nameSchema, pageOf, pageQuery, route } from '#platform/contract';
import { STEP_ERROR_KINDS } from './model.ts';
import { digestSchema, jsonValue, stepName } from './spec.ts';

export { type PipelineSpec, pipelineSpec } from './spec.ts';

/** The largest JSON result of a step, in characters of JSON. */
export const RESULT_LENGTH_MAX = 256 * 1024;
export const LOG_BATCH_LINES_MAX = 500;
export const LOG_LINE_LENGTH_MAX = 8_192;
/** Lines that the log of one attempt keeps. */
export const LOG_LINES_MAX = 50_000;
export const LEASE_WAIT_MS_MAX = 10_000;
/** The largest code bundle as it is sent: its texts, and what JSON adds to them. */
export const CODE_UPLOAD_BYTES_MAX = 17 * 1024 * 1024;
export const CODE_MEDIA_TYPE = 'application/vnd.kedge.code';

const id = z.string().min(1).max(100);

export { jsonValue, STEP_ERROR_KINDS };

const runStatus = z.enum(['queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled']);
const stepStatus = z.enum(['queued', 'running', 'succeeded', 'cached', 'failed', 'skipped', 'cancelled']);
const attemptStatus = z.enum(['running', 'succeeded', 'failed', 'lost', 'released', 'cancelled']);

const artifact = z.object({
  digest: digestSchema,
  bytes: z.number().int().min(0),
  /** The content is JSON that names blobs, which a worker provides as local files beside it. */
  manifest: z.literal(true).optional(),
});
export type Artifact = z.output<typeof artifact>;
export const artifacts = z.record(z.string(), artifact);

export const causeSchema = z.object({
  kind: z.enum(['user', 'rule', 'event', 'schedule']),
  id: z.string(),
  depth: z.number().int().min(0),
  at: z.number().optional(),
});

const progress = z.object({
  n: z.number().min(0),
  of: z.number().min(0),
  text: z.string().max(500).optional(),
});
export type Progress = z.output<typeof progress>;

const metrics = z
  .record(z.string().min(1).max(200), z.number())
  .refine((values) => Object.keys(values).length <= 500, 'expected at most 500 metrics');

const stepError = z.object({ kind: z.enum(STEP_ERROR_KINDS), message: z.string().max(4_000) });
export type StepError = z.output<typeof stepError>;

const attemptView = z.object({
  attempt: z.string(),
  epoch: z.number().int(),
  status: attemptStatus,
  worker: z.string(),
  startedAt: z.number(),
  leaseUntil: z.number(),
  finishedAt: z.number().nullable(),
  error: stepError.nullable(),
});
export type AttemptView = z.output<typeof attemptView>;

const stepView = z.object({
  step: z.string(),
  status: stepStatus,
  needs: z.array(z.string()),
  /** When a queued step may start; null while it waits for other steps. */
  readyAt: z.number().nullable(),
  startedAt: z.number().nullable(),
  finishedAt: z.number().nullable(),
  /** Why it failed, was skipped, cancelled, or is tried again. */
  reason: z.string().nullable(),
  progress: progress.nullable(),
  metrics,
  outputs: artifacts,
  result: jsonValue,
  /** The run whose work a cached step took over. */
  cachedFrom: z.string().nullable(),
  attempts: z.array(attemptView),
});
export type StepView = z.output<typeof stepView>;

const runView = z.object({
  run: z.string(),
  pipeline: z.string(),
  generation: z.number().int(),
  project: z.string().nullable(),
  status: runStatus,
  params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  seed: z.number().int(),
  cause: causeSchema,
  createdAt: z.number(),
  startedAt: z.number().nullable(),
  finishedAt: z.number().nullable(),
  /** Why it failed or was cancelled. */
  reason: z.string().nullable(),
  /** Everything that succeeded steps wrote, by `<step>.<output>`. Filled when the run ends. */
  outputs: artifacts,
});
export type RunView = z.output<typeof runView>;

const runDetail = runView.extend({ steps: z.array(stepView) });
export type RunDetail = z.output<typeof runDetail>;

const logLine = z.object({
  /** Orders the lines of a step over all its attempts. */
  position: z.number().int(),
  epoch: z.number().int(),
  at: z.number(),
  stream: z.enum(['stdout', 'stderr', 'worker']),
  text: z.string(),
});
export type LogLine = z.output<typeof logLine>;

const workerView = z.object({
  worker: z.string(),
  /** When it last asked for work or beat for what it runs. */
  seenAt: z.number(),
  labels: z.record(z.string(), z.string()),
});
export type WorkerView = z.output<typeof workerView>;

const cacheExplanation = z.object({
  /** `hit`: work of an earlier run was taken. `miss`: the step ran. `off`: it does not use the cache. */
  outcome: z.enum(['hit', 'miss', 'off', 'waiting']),
  key: digestSchema.nullable(),
  /** In words: what the outcome means here. */
  text: z.string(),
  /** The run that did the work (hit), or the one with the nearest key (miss). */
  other: z.object({ run: z.string(), key: digestSchema, at: z.number() }).nullable(),
  /** The ingredients of the key that differ from those of `other`. */
  differences: z.array(z.object({ ingredient: z.string(), before: jsonValue, now: jsonValue })),
});
export type CacheExplanation = z.output<typeof cacheExplanation>;

const ofRun = z.object({ run: id });
const ofStep = ofRun.extend({ step: stepName });

export const startRunBody = z.strictObject({
  params: z.record(z.string().max(60), z.unknown()).default({}),
  project: nameSchema.optional(),
  /** Seeds the steps' random numbers. It is part of the cache key. */
  seed: z.number().int().min(0).max(4_294_967_295).optional(),
  /** Asking again with the same key answers the run of the first time. */
  key: z.string().min(1).max(200).optional(),
});

export const pipelinesContract = contract({
  putPipelineCode: route({
    method: 'POST',
    path: '/api/v1/pipeline-code',
    summary: 'Store a code bundle and answer its digest, for the code of a pipeline',
    permission: 'pipelines:write',
    upload: [CODE_MEDIA_TYPE],
    bodyBytesMax: CODE_UPLOAD_BYTES_MAX,
    reply: z.object({ digest: digestSchema, files: z.number().int() }),
    errors: ['pipelines/code-invalid'],
    audit: 'pipeline-code.put',
  }),
  startPipelineRun: route({
    method: 'POST',
    path: '/api/v1/pipelines/:pipeline/runs',
    summary: 'Start a run of a pipeline as it is declared now',
    permission: 'pipelines:write',
    params: z.object({ pipeline: nameSchema }),
    body: startRunBody,
    reply: runView,
    errors: ['pipelines/not-found', 'pipelines/invalid-params', 'pipelines/code-missing'],
    audit: 'pipeline-run.start',
  }),
  listPipelineRuns: route({
    method: 'GET',
    path: '/api/v1/pipeline-runs',
    summary: 'List runs, newest first',
    permission: 'pipelines:read',
    query: pageQuery.extend({ pipeline: nameSchema.optional(), status: runStatus.optional() }),
    reply: pageOf(runView),
  }),
  getPipelineRun: route({
    method: 'GET',
    path: '/api/v1/pipeline-runs/:run',
    summary: 'Describe a run with its steps and their attempts',
    permission: 'pipelines:read',
    params: ofRun,
    reply: runDetail,
    errors: ['pipelines/run-not-found'],
  }),
  cancelPipelineRun: route({
    method: 'POST',
    path: '/api/v1/pipeline-runs/:run/cancel',
    summary: 'Cancel a run: what waits is cancelled at once, what runs is killed',
    permission: 'pipelines:write',
    params: ofRun,
    body: z.strictObject({ reason: z.string().max(500).optional() }),
    reply: runView,
    errors: ['pipelines/run-not-found', 'pipelines/run-finished'],
    audit: 'pipeline-run.cancel',
  }),
  readStepLog: route({
    method: 'GET',
    path: '/api/v1/pipeline-runs/:run/steps/:step/log',
    summary: 'Read the log of a step after a position. To follow it, ask again after `next` until `done`',
    permission: 'pipelines:read',
    params: ofStep,
    query: z.object({
      after: z.coerce.number().int().min(0).default(0),
      limit: z.coerce.number().int().min(1).max(2_000).default(500),
    }),
    reply: z.object({ items: z.array(logLine), next: z.number().int(), done: z.boolean() }),
    errors: ['pipelines/run-not-found', 'pipelines/step-not-found'],
  }),
  explainStepCache: route({
    method: 'GET',
    path: '/api/v1/pipeline-runs/:run/steps/:step/cache',
    summary: 'Tell why a step ran or was taken from the cache',
    permission: 'pipelines:read',
    params: ofStep,
    reply: cacheExplanation,
    errors: ['pipelines/run-not-found', 'pipelines/step-not-found'],
  }),
  listWorkers: route({
    method: 'GET',
    path: '/api/v1/workers',
    summary: 'List the workers that asked this control plane for work, and when last',
    permission: 'pipelines:read',
    reply: z.object({ items: z.array(workerView) }),
  }),
});

const workerName = z
  .string()
  .min(1)
  .max(200)
  .refine((name) => !name.includes('\0'), 'expected text without NUL');
const labels = z.record(z.string().min(1).max(60), z.string().max(100));
const epoch = z.number().int().min(1);
const ofAttempt = z.object({ attempt: id });

const leasedAttempt = z.object({
  attempt: z.string(),
  epoch: z.number().int(),
  run: z.string(),
  pipeline: z.string(),
  step: z.string(),
  command: z.array(z.string()).optional(),
  function: z.object({ code: digestSchema, module: z.string(), export: z.string() }).optional(),
  params: z.record(z.string(), jsonValue),
  inputs: artifacts,
  outputs: z.array(z.string()),
  env: z.record(z.string(), z.string()),
  leaseMs: z.number(),
  timeoutMs: z.number(),
  seed: z.number().int(),
  cause: causeSchema,
});
export type LeasedAttempt = z.output<typeof leasedAttempt>;

const stepResult = jsonValue.refine(
  (value) => JSON.stringify(value).length <= RESULT_LENGTH_MAX,
  `expected at most ${RESULT_LENGTH_MAX} characters of JSON`,
);

/** What a step said of itself since its attempt began. */
const seen = { progress: progress.optional(), metrics: metrics.optional() };

const finishBody = z.discriminatedUnion('status', [
  z.strictObject({
    status: z.literal('succeeded'),
    epoch,
    outputs: artifacts,
    result: stepResult.optional(),
    ...seen,
  }),
  z.strictObject({ status: z.literal('failed'), epoch, error: stepError, ...seen }),
  /** The worker ended the attempt because it was told to cancel it, or because it stops itself. */
  z.strictObject({ status: z.literal('stopped'), epoch, ...seen }),
]);
export type FinishBody = z.output<typeof finishBody>;

/** The work protocol: what a worker says. An attempt that lost its step gets 409 `pipelines/stale-attempt`. */
export const workContract = contract({
  leaseWork: route({
    method: 'POST',
    path: '/api/v1/work/lease',
    summary: 'Lease step attempts, waiting up to waitMs for the first',
    permission: 'work:lease',
    body: z.strictObject({
      worker: workerName,
      slots: z.number().int().min(1).max(64),
      labels: labels.default({}),
      waitMs: z.number().int().min(0).max(LEASE_WAIT_MS_MAX).default(LEASE_WAIT_MS_MAX),
    }),
    reply: z.object({ attempts: z.array(leasedAttempt) }),
    audit: 'work.lease',
  }),
  leaveWork: route({
    method: 'POST',
    path: '/api/v1/work/leave',
    summary: 'Say that a worker ends: it gets no more work, and what it holds is queued again',
    permission: 'work:lease',
    body: z.strictObject({
      worker: workerName,
      /** Attempts that it is still ending, and whose end it will report itself. */
      keep: z.array(id).max(64).default([]),
    }),
    reply: z.object({ released: z.number().int() }),
    audit: 'work.leave',
  }),
  heartbeatWork: route({
    method: 'POST',
    path: '/api/v1/work/:attempt/heartbeat',
    summary: 'Extend the lease of an attempt and report its progress',
    permission: 'work:lease',
    params: ofAttempt,
    body: z.strictObject({ epoch, ...seen }),
    reply: z.object({ cancel: z.boolean() }),
    errors: ['pipelines/attempt-not-found', 'pipelines/stale-attempt'],
    audit: 'work.heartbeat',
  }),
  appendWorkLog: route({
    method: 'POST',
    path: '/api/v1/work/:attempt/log',
    summary: 'Append lines to the log of an attempt. A line sent twice (by seq) is kept once',
    permission: 'work:lease',
    params: ofAttempt,
    bodyBytesMax: 8 * 1024 * 1024,
    body: z.strictObject({
      epoch,
      lines: z
        .array(
          z.object({
            seq: z.number().int().min(1).max(LOG_LINES_MAX),
            at: z.number(),
            stream: logLine.shape.stream,
            text: z.string().max(LOG_LINE_LENGTH_MAX),
          }),
        )
        .min(1)
        .max(LOG_BATCH_LINES_MAX),
    }),
    reply: z.object({ appended: z.number().int() }),
    errors: ['pipelines/attempt-not-found', 'pipelines/stale-attempt'],
    audit: 'work.log',
  }),
  finishWork: route({
    method: 'POST',
    path: '/api/v1/work/:attempt/finish',
    summary: 'Report how an attempt ended. What a current attempt reports is committed once; a repeat changes nothing',
    permission: 'work:lease',
    params: ofAttempt,
    body: finishBody,
    reply: z.object({ status: attemptStatus }),
    errors: ['pipelines/attempt-not-found', 'pipelines/stale-attempt', 'pipelines/output-missing'],
    audit: 'pipeline-step.finish',
  }),
});
