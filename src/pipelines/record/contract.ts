import { z } from 'zod';
import { contract, route } from '#platform/contract';
import { artifact, attemptPlace, causeSchema, givenInputs, id, runStatus, stepStatus } from '../shapes.ts';
import { digestSchema, jsonValue } from '../spec.ts';
import { environmentSchema } from './environment.ts';
import { sourceSpec } from './source.ts';

export type { Environment, Interpreter } from './environment.ts';
export type { Source } from './source.ts';

const recordedInput = z.object({
  ...artifact.shape,
  /** `<step>.<output>`, `result:<step>`, `input:<name>`, or a reference such as `dataset:flights`. */
  from: z.string(),
});
const recordedOutput = z.object({
  ...artifact.shape,
  /** Of a step that was divided: how many files there are. The digest is that of their list. */
  units: z.number().int().optional(),
});

const stepRecord = z.object({
  step: z.string(),
  status: stepStatus,
  /** What it does: a function of the code bundle, a command, waiting for a person or a time, or another pipeline. */
  program: z.object({
    function: z.object({ module: z.string(), export: z.string() }).optional(),
    command: z.array(z.string()).optional(),
    waits: z.enum(['approval', 'time', 'event']).optional(),
    pipeline: z.object({ name: z.string(), generation: z.number().int(), run: z.string().nullable() }).optional(),
  }),
  params: z.record(z.string(), jsonValue),
  env: z.record(z.string(), z.string()),
  /** The files that a command was given by their paths, and what it is said to depend on, where that is declared. */
  files: z.record(z.string(), z.string()).optional(),
  runtime: z.record(z.string(), z.string()).optional(),
  deterministic: z.boolean(),
  inputs: z.record(z.string(), recordedInput),
  outputs: z.record(z.string(), recordedOutput),
  /** The digest of the canonical JSON of what the step returned; null without a result. */
  result: digestSchema.nullable(),
  metrics: z.record(z.string(), z.number()),
  /** The run that did the work, when it was taken from the cache or from the run that this one resumes. */
  cachedFrom: z.string().nullable(),
  reason: z.string().nullable(),
  /** What its attempts, or those of its units, ran on, at most a thousand; records of before do not say. */
  places: z.array(z.object({ attempt: z.string(), worker: z.string(), ...attemptPlace.shape })).optional(),
  /** Digests of the environments in which its attempts ran, or its units. */
  environments: z.array(digestSchema),
});
export type StepRecord = z.output<typeof stepRecord>;

const runRecord = z.object({
  schema: z.literal(1),
  run: z.string(),
  pipeline: z.string(),
  generation: z.number().int(),
  project: z.string().nullable(),
  status: runStatus,
  source: sourceSpec.nullable(),
  /** The code bundle with the modules of the step functions. */
  code: digestSchema.nullable(),
  params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  seed: z.number().int(),
  cause: causeSchema,
  origin: z.string().nullable(),
  reproduces: z.string().nullable(),
  partition: z.string().nullable(),
  /** What it was given beside its parameters; records of before do not say. */
  inputs: givenInputs.optional(),
  createdAt: z.number(),
  startedAt: z.number().nullable(),
  finishedAt: z.number().nullable(),
  steps: z.array(stepRecord),
  /** By their digest. */
  environments: z.record(z.string(), environmentSchema),
});
export type RunRecord = z.output<typeof runRecord>;

const recordView = z.object({
  /** The digest of the canonical JSON of `record`, which the audit log has too; null until the run is over. */
  digest: digestSchema.nullable(),
  sealedAt: z.number().nullable(),
  record: runRecord,
});
export type RecordView = z.output<typeof recordView>;

const product = z.object({
  /** Name of an output; `(result)` for what the step returned. */
  output: z.string(),
  before: digestSchema.nullable(),
  now: digestSchema.nullable(),
  same: z.boolean(),
  /** Of a divided step: units in which the output differs, at most twenty. */
  units: z.array(z.string()).optional(),
});

const stepComparison = z.object({
  step: z.string(),
  /**
   * `same`, `different`, or `kept` for what is not done again: a decision, a wait, a step that did not run. A step that
   * declares `deterministic: false` is `varying` where it differs. `pending`: it has not ended yet.
   */
  verdict: z.enum(['same', 'different', 'varying', 'kept', 'pending']),
  before: stepStatus,
  now: stepStatus,
  reason: z.string().nullable(),
  deterministic: z.boolean(),
  products: z.array(product),
  /** What differs between the environments in which it ran then and now. */
  environment: z.array(z.object({ name: z.string(), before: jsonValue, now: jsonValue })),
});
export type StepComparison = z.output<typeof stepComparison>;

const comparison = z.object({
  run: z.string(),
  of: z.string(),
  status: runStatus,
  /** Null until the run is over. */
  same: z.boolean().nullable(),
  steps: z.array(stepComparison),
});
export type Comparison = z.output<typeof comparison>;

const runSide = z.object({
  run: z.string(),
  pipeline: z.string(),
  generation: z.number().int(),
  status: runStatus,
  cause: causeSchema,
  params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  seed: z.number().int(),
  code: digestSchema.nullable(),
  createdAt: z.number(),
  startedAt: z.number().nullable(),
  finishedAt: z.number().nullable(),
  /** Of its sealed record; null until it is over. */
  digest: digestSchema.nullable(),
});

const stepSide = z.object({
  status: stepStatus,
  startedAt: z.number().nullable(),
  finishedAt: z.number().nullable(),
  /** Its cache key; null while it is unknown, and for a step that does not use the cache. */
  key: digestSchema.nullable(),
  cachedFrom: z.string().nullable(),
  reason: z.string().nullable(),
});

const stepDifference = z.object({
  step: z.string(),
  /** Null in a run that has no such step. */
  before: stepSide.nullable(),
  now: stepSide.nullable(),
  /**
   * `same` or `different` by the digests of what both made, `varying` where that differs and the step declares
   * `deterministic: false`, `undone` when one of them did not end well, `absent` when one run has no such step.
   */
  verdict: z.enum(['same', 'different', 'varying', 'undone', 'absent']),
  products: z.array(product),
  /** The ingredients in which their cache keys differ. */
  ingredients: z.array(z.object({ ingredient: z.string(), before: jsonValue, now: jsonValue })),
  environment: stepComparison.shape.environment,
  metrics: z.array(z.object({ name: z.string(), before: z.number().nullable(), now: z.number().nullable() })),
});
export type StepDifference = z.output<typeof stepDifference>;

const runDifference = z.object({
  /** The run that is compared, and the other one. */
  before: runSide,
  now: runSide,
  /** What differs of that which they were made from: parameters, code, commit, seed, generation. */
  made: z.array(z.object({ name: z.string(), before: jsonValue, now: jsonValue })),
  steps: z.array(stepDifference),
});
export type RunDifference = z.output<typeof runDifference>;

const ofRun = z.object({ run: id });

export const recordsContract = contract({
  getRunRecord: route({
    method: 'GET',
    path: '/api/v1/pipeline-runs/:run/record',
    summary: 'What a run was made from and made: code, environment, parameters, seed, digests of inputs and outputs',
    permission: 'pipelines:read',
    params: ofRun,
    reply: recordView,
    errors: ['pipelines/run-not-found'],
  }),
  reproducePipelineRun: route({
    method: 'POST',
    path: '/api/v1/pipeline-runs/:run/reproduce',
    summary: 'Start a run that does all of another again from its record, without the cache',
    permission: 'pipelines:write',
    params: ofRun,
    reply: z.object({ run: z.string(), of: z.string() }),
    errors: ['pipelines/run-not-found', 'pipelines/run-not-so', 'pipelines/not-reproducible'],
    audit: 'pipeline-run.reproduce',
  }),
  compareReproduction: route({
    method: 'GET',
    path: '/api/v1/pipeline-runs/:run/reproduction',
    summary: 'Compare a run that reproduces another with it, step by step and output by output',
    permission: 'pipelines:read',
    params: ofRun,
    reply: comparison,
    errors: ['pipelines/run-not-found', 'pipelines/run-not-so'],
  }),
  comparePipelineRuns: route({
    method: 'GET',
    path: '/api/v1/pipeline-runs/:run/compare/:other',
    summary: 'Compare any two runs: what they were made from, and step by step status, times, cache keys and digests',
    permission: 'pipelines:read',
    params: ofRun.extend({ other: id }),
    reply: runDifference,
    errors: ['pipelines/run-not-found'],
  }),
});
