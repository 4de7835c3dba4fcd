import { z } from 'zod';
import { contract, route } from '#platform/contract';
import { LOG_BATCH_LINES_MAX, LOG_LINE_LENGTH_MAX, LOG_LINES_MAX, logStream } from './log-shapes.ts';
import { environmentSchema } from './record/environment.ts';
import {
  artifacts,
  attemptPlace,
  attemptStatus,
  attemptUsage,
  causeSchema,
  id,
  LEASE_WAIT_MS_MAX,
  metrics,
  progress,
  RESULT_LENGTH_MAX,
  stepError,
} from './shapes.ts';
import { digestSchema, jsonValue } from './spec.ts';

const workerName = z
  .string()
  .min(1)
  .max(200)
  .refine((name) => !name.includes('\0'), 'expected text without NUL');
/** Made by a worker process when it starts, so that nobody takes it for one that had the name before. */
const instance = z
  .string()
  .regex(/^[\w.-]*$/, 'expected letters, digits, _, . and -')
  .max(60)
  .default('');
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
  /** Of a command: files for the folder where it starts, by their path there. */
  files: z.record(z.string(), z.string()).optional(),
  function: z.object({ code: digestSchema, module: z.string(), export: z.string() }).optional(),
  params: z.record(z.string(), jsonValue),
  inputs: artifacts,
  outputs: z.array(z.string()),
  env: z.record(z.string(), z.string()),
  /** What the step takes of a machine; a worker that runs it on a cluster asks there for it. */
  resources: z.record(z.string(), z.number()),
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
const seen = { progress: progress.optional(), metrics: metrics.optional(), place: attemptPlace.optional() };
/** Where the attempt ran, for the record of the run. */
const environment = environmentSchema.optional();

/** Who asks for work, and what it has for it. */
const offer = {
  worker: workerName,
  instance,
  slots: z.number().int().min(1).max(64),
  labels: labels.default({}),
  /** All that it has of what steps may take: `cpu`, `memoryGiB`, `gpu`, … */
  resources: z.record(z.string().min(1).max(40), z.number().min(0)).default({}),
};

/** With `next`, what is ready for the worker then is leased to it in the same transaction, without waiting for any. */
const reported = { ...seen, usage: attemptUsage.optional(), next: z.strictObject(offer).optional() };

const finishBody = z.discriminatedUnion('status', [
  z.strictObject({
    status: z.literal('succeeded'),
    epoch,
    outputs: artifacts,
    result: stepResult.optional(),
    environment,
    ...reported,
  }),
  z.strictObject({ status: z.literal('failed'), epoch, error: stepError, environment, ...reported }),
  /** The worker ended the attempt because it was told to cancel it, or because it stops itself. */
  z.strictObject({ status: z.literal('stopped'), epoch, ...reported }),
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
      ...offer,
      waitMs: z.number().int().min(0).max(LEASE_WAIT_MS_MAX).default(LEASE_WAIT_MS_MAX),
    }),
    reply: z.object({ attempts: z.array(leasedAttempt) }),
    audit: 'work.lease',
  }),
  leaveWork: route({
    method: 'POST',
    path: '/api/v1/work/leave',
    summary: 'Say that a worker ends: this instance gets no more work, and what it holds is queued again',
    permission: 'work:lease',
    body: z.strictObject({
      worker: workerName,
      instance,
      /** Attempts that it is still ending, and whose end it will report itself. */
      keep: z.array(id).max(64).default([]),
      /** Told by whoever comes after it: it was killed, and what it held is lost instead of given back. */
      died: z.boolean().default(false),
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
    body: z.strictObject({
      epoch,
      ...seen,
      /** How long the command has waited for its turn at a cluster. It does not count as time of the step. */
      waitedMs: z.number().min(0).optional(),
    }),
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
            stream: logStream,
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
    summary: 'Report how an attempt ended, which is committed once, and lease the next; a repeat changes nothing',
    permission: 'work:lease',
    params: ofAttempt,
    body: finishBody,
    reply: z.object({ status: attemptStatus, attempts: z.array(leasedAttempt) }),
    errors: ['pipelines/attempt-not-found', 'pipelines/stale-attempt', 'pipelines/output-missing'],
    audit: 'pipeline-step.finish',
  }),
});
