import { z } from 'zod';
import { contract, nameSchema, pageOf, pageQuery, route } from '#platform/contract';
import { contentContract } from './code/contract.ts';
import { logPage, logQuery } from './log-shapes.ts';
import {
  artifacts,
  attemptPlace,
  attemptStatus,
  attemptUsage,
  causeSchema,
  givenInputs,
  id,
  metrics,
  progress,
  runStatus,
  stepError,
  stepStatus,
} from './shapes.ts';
import { digestSchema, jsonValue, stepName, stepOrUnit } from './spec.ts';
import { STEP_ERROR_KINDS } from './step-errors.ts';

export { CODE_MEDIA_TYPE, FILE_MEDIA_TYPE } from './code/contract.ts';
export * from './log-shapes.ts';
export * from './shapes.ts';
export { type PipelineSpec, pipelineSpec, poolSpec, quotaSpec } from './spec.ts';
export { type FinishBody, type LeasedAttempt, workContract } from './work-contract.ts';
export { jsonValue, STEP_ERROR_KINDS };

const attemptView = z.object({
  attempt: z.string(),
  epoch: z.number().int(),
  status: attemptStatus,
  worker: z.string(),
  startedAt: z.number(),
  leaseUntil: z.number(),
  finishedAt: z.number().nullable(),
  error: stepError.nullable(),
  /** What its processes used; null until it is reported, and for attempts that were lost. */
  usage: attemptUsage.nullable(),
  /** What it ran on, once its worker has said so. */
  place: attemptPlace.optional(),
});
export type AttemptView = z.output<typeof attemptView>;

const unitCounts = z.object({
  queued: z.number().int(),
  running: z.number().int(),
  succeeded: z.number().int(),
  cached: z.number().int(),
  failed: z.number().int(),
  cancelled: z.number().int(),
});
export type UnitCounts = z.output<typeof unitCounts>;

const unitView = z.object({
  unit: z.string(),
  index: z.number().int(),
  status: stepStatus,
  item: jsonValue,
  epoch: z.number().int(),
  startedAt: z.number().nullable(),
  finishedAt: z.number().nullable(),
  reason: z.string().nullable(),
  result: jsonValue,
  cachedFrom: z.string().nullable(),
  /** Of a unit that is a run of another pipeline: that run. */
  child: z.string().optional(),
});
export type UnitView = z.output<typeof unitView>;

/** What a step that did cached work again has found. */
const verification = z.object({
  /** The run and step that did the work again. */
  run: z.string(),
  step: z.string(),
  of: z.object({ run: z.string(), step: z.string() }),
  at: z.number(),
  /** Whether all outputs and the result had the same digests. If not, the step is not deterministic. */
  equal: z.boolean(),
  /** Names of the outputs that differ, and `result`. */
  differences: z.array(z.string()),
});
export type Verification = z.output<typeof verification>;

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
  /** The latest comparison of its cached work with work done again. */
  verification: verification.nullable(),
  /** Of a step that runs another pipeline: that run. */
  child: z.string().optional(),
  /** Of a step that was divided: how many of its units are in which state. */
  units: unitCounts.nullable(),
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
  priority: z.number().int(),
  createdAt: z.number(),
  /** When it was let in; null while it waits for other runs of its pipeline or key to end. */
  admittedAt: z.number().nullable(),
  pausedAt: z.number().nullable(),
  /** The run that it resumes or repeats in part. */
  origin: z.string().nullable(),
  /** The partition of its pipeline that it does. */
  partition: z.string().nullable(),
  /** The run whose cached work it does again, to compare. */
  verifies: z.string().nullable(),
  /** When it is late, if the pipeline says so, and since when it was told to be. */
  lateAt: z.number().nullable(),
  lateSince: z.number().nullable(),
  startedAt: z.number().nullable(),
  finishedAt: z.number().nullable(),
  /** Why it failed or was cancelled. */
  reason: z.string().nullable(),
  /** What it was given beside its parameters, as its pipeline declares. */
  inputs: givenInputs,
  /** Everything that succeeded steps wrote, by `<step>.<output>`. Filled when the run ends. */
  outputs: artifacts,
});
export type RunView = z.output<typeof runView>;

const runDetail = runView.extend({
  steps: z.array(stepView),
  /** When it is expected to end, by the medians of `runs` earlier runs. `unknown` steps have no earlier duration. */
  eta: z.object({ at: z.number(), runs: z.number().int(), unknown: z.number().int() }).nullable(),
});
export type RunDetail = z.output<typeof runDetail>;

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
  /** The latest comparison of what the cache has under the key with work done again. */
  verification: verification.nullable(),
  /** The ingredients of the key that differ from those of `other`. */
  differences: z.array(z.object({ ingredient: z.string(), before: jsonValue, now: jsonValue })),
});
export type CacheExplanation = z.output<typeof cacheExplanation>;

/** Steps that one run of a comparison does again. */
const VERIFIED_MAX = 50;

const ofRun = z.object({ run: id });
const ofStep = ofRun.extend({ step: stepOrUnit });

export const startRunBody = z.strictObject({
  params: z.record(z.string().max(60), z.unknown()).default({}),
  /** What the pipeline declares as inputs: `dataset:flights`, or `run:<run>/<step>.<output>` of a run that is over. */
  inputs: z.record(z.string().max(60), z.string().max(300)).default({}),
  project: nameSchema.optional(),
  /** Seeds the steps' random numbers. It is part of the cache key. */
  seed: z.number().int().min(0).max(4_294_967_295).optional(),
  /** Asking again with the same key answers the run of the first time. */
  key: z.string().min(1).max(200).optional(),
  /** Instead of the priority of the pipeline. */
  priority: z.number().int().min(-100).max(100).optional(),
});

export const pipelinesContract = contract({
  ...contentContract,
  startPipelineRun: route({
    method: 'POST',
    path: '/api/v1/pipelines/:pipeline/runs',
    summary: 'Start a run of a pipeline as it is declared now',
    permission: 'pipelines:write',
    params: z.object({ pipeline: nameSchema }),
    body: startRunBody,
    reply: runView,
    errors: [
      'pipelines/not-found',
      'pipelines/invalid-params',
      'pipelines/unknown-reference',
      'pipelines/not-nestable',
      'pipelines/code-missing',
      'pipelines/file-missing',
      'pipelines/files-invalid',
    ],
    audit: 'pipeline-run.start',
  }),
  listPipelineRuns: route({
    method: 'GET',
    path: '/api/v1/pipeline-runs',
    summary: 'List runs, newest first',
    permission: 'pipelines:read',
    query: pageQuery.extend({
      pipeline: nameSchema.optional(),
      status: runStatus.optional(),
      /** Those that are steps of this run. */
      within: id.optional(),
      cause: causeSchema.shape.kind.optional(),
      /** Asked for at or after `from`, and before `to`. */
      from: z.coerce.number().int().optional(),
      to: z.coerce.number().int().optional(),
    }),
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
  pausePipelineRun: route({
    method: 'POST',
    path: '/api/v1/pipeline-runs/:run/pause',
    summary: 'Pause a run: nothing more of it starts, what runs goes on',
    permission: 'pipelines:write',
    params: ofRun,
    reply: runView,
    errors: ['pipelines/run-not-found', 'pipelines/run-not-so'],
    audit: 'pipeline-run.pause',
  }),
  unpausePipelineRun: route({
    method: 'POST',
    path: '/api/v1/pipeline-runs/:run/unpause',
    summary: 'Let a paused run go on',
    permission: 'pipelines:write',
    params: ofRun,
    reply: runView,
    errors: ['pipelines/run-not-found', 'pipelines/run-not-so'],
    audit: 'pipeline-run.unpause',
  }),
  resumePipelineRun: route({
    method: 'POST',
    path: '/api/v1/pipeline-runs/:run/resume',
    summary: 'Start a run that does what is left of one that failed or was cancelled',
    permission: 'pipelines:write',
    params: ofRun,
    reply: runView,
    errors: ['pipelines/run-not-found', 'pipelines/run-not-so'],
    audit: 'pipeline-run.resume',
  }),
  rerunPipelineRun: route({
    method: 'POST',
    path: '/api/v1/pipeline-runs/:run/rerun',
    summary: 'Start a run that does some steps of another anew, and what needs them, as declared now',
    permission: 'pipelines:write',
    params: ofRun,
    body: z.strictObject({
      from: z.array(stepName).min(1).max(200),
      /** Instead of those of the run. */
      params: z.record(z.string().max(60), z.unknown()).default({}),
    }),
    reply: runView,
    errors: [
      'pipelines/run-not-found',
      'pipelines/run-not-so',
      'pipelines/not-found',
      'pipelines/step-not-found',
      'pipelines/invalid-params',
    ],
    audit: 'pipeline-run.rerun',
  }),
  decideStep: route({
    method: 'POST',
    path: '/api/v1/pipeline-runs/:run/steps/:step/decide',
    summary: 'Approve or reject a step that waits for it',
    permission: 'pipelines:write',
    params: ofStep,
    body: z.strictObject({ decision: z.enum(['approve', 'reject']), reason: z.string().max(1_000).default('') }),
    reply: runView,
    errors: ['pipelines/run-not-found', 'pipelines/step-not-found', 'pipelines/run-not-so', 'pipelines/own-run'],
    audit: 'pipeline-step.decide',
  }),
  listUnits: route({
    method: 'GET',
    path: '/api/v1/pipeline-runs/:run/steps/:step/units',
    summary: 'The units of a step that was divided, in their order. To go on, ask again after `next`',
    permission: 'pipelines:read',
    params: ofRun.extend({ step: stepName }),
    query: z.object({
      status: stepStatus.optional(),
      after: z.coerce.number().int().min(-1).default(-1),
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
    }),
    reply: z.object({ items: z.array(unitView), next: z.number().int().optional() }),
    errors: ['pipelines/run-not-found'],
  }),
  readStepLog: route({
    method: 'GET',
    path: '/api/v1/pipeline-runs/:run/steps/:step/log',
    summary: 'Read the log of a step after a position. To follow it, ask again after `next` until `done`',
    permission: 'pipelines:read',
    params: ofStep,
    query: logQuery,
    reply: logPage,
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
  verifyCache: route({
    method: 'POST',
    path: '/api/v1/pipeline-runs/:run/cache/verify',
    summary: 'Start a run that does cached steps of another again and compares what they write',
    permission: 'pipelines:write',
    params: ofRun,
    body: z.strictObject({
      /** Steps and units; without any, a sample of those that were taken from the cache. */
      steps: z.array(stepOrUnit).max(VERIFIED_MAX).default([]),
      sample: z.number().int().min(1).max(VERIFIED_MAX).default(5),
    }),
    reply: runView,
    errors: ['pipelines/run-not-found', 'pipelines/run-not-so'],
    audit: 'pipeline-cache.verify',
  }),
  listWorkers: route({
    method: 'GET',
    path: '/api/v1/workers',
    summary: 'List the workers that asked this control plane for work, and when last',
    permission: 'pipelines:read',
    reply: z.object({ items: z.array(workerView) }),
  }),
});
