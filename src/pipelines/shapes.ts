import { z } from 'zod';
import { digestSchema } from './spec.ts';
import { STEP_ERROR_KINDS } from './step-errors.ts';

/** The largest JSON result of a step, in characters of JSON. */
export const RESULT_LENGTH_MAX = 256 * 1024;
export const LEASE_WAIT_MS_MAX = 10_000;
export const id = z.string().min(1).max(100);

export const runStatus = z.enum(['queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled']);
export const stepStatus = z.enum([
  'queued',
  'running',
  'waiting',
  'succeeded',
  'cached',
  'failed',
  'skipped',
  'cancelled',
]);
export const attemptStatus = z.enum(['running', 'succeeded', 'failed', 'lost', 'released', 'cancelled']);

export const artifact = z.object({
  digest: digestSchema,
  bytes: z.number().int().min(0),
  /** The content is JSON that names blobs, which a worker provides as local files beside it. */
  manifest: z.literal(true).optional(),
  /** It is a directory, whose manifest is the content: how many files it has, and how long they are together. */
  directory: z.object({ files: z.number().int().min(0), bytes: z.number().int().min(0) }).optional(),
});
export type Artifact = z.output<typeof artifact>;
export const artifacts = z.record(z.string(), artifact);

/** What a run was given for an input: content that does not change, and what it is called where it comes from. */
const givenInput = z.object({
  ...artifact.shape,
  /** A reference as in `dataset:flights`, or `<pipeline>/<source>`, where it is a source in that pipeline. */
  from: z.string(),
});
export type GivenInput = z.output<typeof givenInput>;
export const givenInputs = z.record(z.string(), givenInput);

export const causeSchema = z.object({
  kind: z.enum(['user', 'rule', 'event', 'schedule']),
  id: z.string(),
  depth: z.number().int().min(0),
  at: z.number().optional(),
  within: z.object({ run: z.string(), step: z.string() }).optional(),
});

export const progress = z.object({
  n: z.number().min(0),
  of: z.number().min(0),
  text: z.string().max(500).optional(),
});
export type Progress = z.output<typeof progress>;

export const metrics = z
  .record(z.string().min(1).max(200), z.number())
  .refine((values) => Object.keys(values).length <= 500, 'expected at most 500 metrics');

const used = z.number().min(0).optional();
/** What the processes of an attempt used, as far as its worker saw it: it was at least so much. */
export const attemptUsage = z.object({ cpuMs: used, rssPeakBytes: used, readBytes: used, writtenBytes: used });
export type AttemptUsage = z.output<typeof attemptUsage>;

/** What an attempt runs on, and what the cluster calls its job, where that is one and has said so. */
export const attemptPlace = z.object({ executor: z.string().min(1).max(60), job: z.string().max(300).nullable() });
export type AttemptPlace = z.output<typeof attemptPlace>;

export const stepError = z.object({ kind: z.enum(STEP_ERROR_KINDS), message: z.string().max(4_000) });
export type StepError = z.output<typeof stepError>;
