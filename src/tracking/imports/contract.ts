import { z } from 'zod';
import { contract, route } from '#platform/contract';
import {
  digestSchema,
  experimentName,
  key,
  lifecycle,
  runId,
  runStatus,
  sentNumber,
  text,
  timestamp,
} from '../shapes.ts';
import { importedTrace, traceId, traceImportState } from './imported-trace.ts';

/** A batch of an import is larger than one of a client that logs: whoever moves a history has all of it at hand. */
export const IMPORT_METRICS_MAX = 10_000;
export const IMPORT_KEYS_MAX = 1_000;
const BATCH_BYTES_MAX = 16 * 1024 * 1024;
/** The spans of the largest trace, with what JSON adds to a text of JSON. */
const TRACE_BYTES_MAX = 128 * 1024 * 1024;

const modelId = z.string().regex(/^m-[\w-]{1,254}$/, 'expected m- and letters, digits, _ or -');
const step = z.number().int().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER);
const keyed = (value: z.ZodString) =>
  z.record(key, value).refine((map) => Object.keys(map).length <= IMPORT_KEYS_MAX, {
    message: `expected at most ${IMPORT_KEYS_MAX} keys in one batch`,
  });
/** Where it comes from, for the audit log: the address or the folder of the other server. */
const source = text(1_000).min(1);
const experiment = z.string().regex(/^\d{1,20}$/, 'expected the id of an experiment of this server');

const importedExperiment = z.strictObject({
  source,
  name: experimentName,
  /** Epoch milliseconds, as the source has them. */
  createdAt: timestamp,
  updatedAt: timestamp,
  lifecycle,
  tags: keyed(text(100_000)).default({}),
});
export type ImportedExperiment = z.output<typeof importedExperiment>;

const importedRun = z.strictObject({
  source,
  id: runId,
  experiment,
  name: text(500).default(''),
  userId: text(256).default(''),
  startedAt: timestamp,
});
export type ImportedRun = z.output<typeof importedRun>;

const dataset = z.strictObject({
  name: text(500).min(1),
  digest: text(36).min(1),
  sourceType: text(500).default(''),
  source: text(65_535).default(''),
  schema: text(1_048_575).optional(),
  profile: text(16_777_215).optional(),
});
const tag = z.strictObject({ key: text(255).min(1), value: text(8_000) });

const importedBatch = z.strictObject({
  params: keyed(text(6_000)).default({}),
  tags: keyed(text(8_000)).default({}),
  metrics: z
    .array(
      z.strictObject({
        key,
        value: sentNumber,
        step,
        timestamp,
        /** Of a metric of a logged model. */
        datasetName: text(500).optional(),
        datasetDigest: text(36).optional(),
        /** The run that measured it; of a logged model only. */
        run: runId.optional(),
      }),
    )
    .max(IMPORT_METRICS_MAX)
    .default([]),
  datasets: z
    .array(z.strictObject({ dataset, tags: z.array(tag).max(100) }))
    .max(1_000)
    .default([]),
  inputModels: z.array(modelId).max(1_000).default([]),
  outputModels: z
    .array(z.strictObject({ model: modelId, step }))
    .max(1_000)
    .default([]),
});
export type ImportedBatch = z.output<typeof importedBatch>;

const importedModel = z.strictObject({
  source,
  id: modelId,
  experiment,
  name: text(500).min(1),
  modelType: text(500).optional(),
  sourceRun: runId.optional(),
  author: text(256).default(''),
  createdAt: timestamp,
});
export type ImportedModel = z.output<typeof importedModel>;

const kind = z.enum(['run', 'model']);
const byObject = z.object({ kind, id: z.union([runId, modelId]) });

/**
 * How far the import of a run or logged model is: `none` when it was never begun, `open` until it is finished, and then
 * with the digest of what the source said, by which whoever imports again knows what changed since.
 */
const importState = z.object({
  state: z.enum(['none', 'open', 'finished']),
  digest: digestSchema.nullable(),
});

export const importRoutes = contract({
  importExperiment: route({
    method: 'POST',
    path: '/api/v1/tracking/imports/experiments',
    summary: 'Bring in an experiment of another server with its times. One of this name is gone on with',
    permission: 'tracking:import',
    body: importedExperiment,
    reply: z.object({ id: z.string(), made: z.boolean(), artifactLocation: z.string() }),
    errors: ['tracking/experiment-deleted', 'tracking/limit'],
    audit: 'experiment.import',
  }),
  importRun: route({
    method: 'POST',
    path: '/api/v1/tracking/imports/runs',
    summary: 'Begin to bring in a run under its own id. A run that was imported before is gone on with',
    permission: 'tracking:import',
    body: importedRun,
    reply: importState.extend({ made: z.boolean() }),
    errors: ['tracking/experiment-not-found', 'tracking/run-exists'],
    audit: 'tracking-run.import',
  }),
  importLoggedModel: route({
    method: 'POST',
    path: '/api/v1/tracking/imports/models',
    summary: 'Begin to bring in a logged model under its own id. One that was imported before is gone on with',
    permission: 'tracking:import',
    body: importedModel,
    reply: importState.extend({ made: z.boolean() }),
    errors: ['tracking/experiment-not-found', 'tracking/model-exists'],
    audit: 'logged-model.import',
  }),
  importBatch: route({
    method: 'POST',
    path: '/api/v1/tracking/imports/:kind/:id/batches',
    summary: 'Add params, tags, metrics and lineage with their own times to what is brought in. Again, it adds nothing',
    permission: 'tracking:import',
    params: byObject,
    body: importedBatch,
    bodyBytesMax: BATCH_BYTES_MAX,
    reply: z.object({ added: z.boolean() }),
    errors: ['tracking/not-imported', 'tracking/param-changed', 'tracking/limit'],
    audit: 'tracking.import-batch',
  }),
  finishImport: route({
    method: 'POST',
    path: '/api/v1/tracking/imports/:kind/:id/finish',
    summary: 'Give what was brought in the status, the times and the lifecycle that it has at its source',
    permission: 'tracking:import',
    params: byObject,
    body: z.strictObject({
      /** Of a run. */
      status: runStatus.optional(),
      endedAt: timestamp.optional(),
      /** Of a logged model. */
      modelStatus: z.enum(['UNSPECIFIED', 'PENDING', 'READY', 'UPLOAD_FAILED']).optional(),
      updatedAt: timestamp.optional(),
      lifecycle,
      /** Of what the source said, for whoever imports again. */
      digest: digestSchema,
    }),
    reply: importState,
    errors: ['tracking/not-imported'],
    audit: 'tracking.import-finish',
  }),
  importTrace: route({
    method: 'POST',
    path: '/api/v1/tracking/imports/traces',
    summary: 'Bring in a trace whole, with its spans and assessments. Again, it changes nothing',
    permission: 'tracking:import',
    body: importedTrace,
    bodyBytesMax: TRACE_BYTES_MAX,
    reply: traceImportState,
    errors: [
      'tracking/experiment-not-found',
      'tracking/trace-exists',
      'tracking/trace-deleted',
      'tracking/invalid',
      'tracking/limit',
    ],
    audit: 'trace.import',
  }),
  getTraceImport: route({
    method: 'GET',
    path: '/api/v1/tracking/imports/traces/:id',
    summary: 'Tell what is here of a trace that was brought in',
    permission: 'tracking:import',
    params: z.object({ id: traceId }),
    reply: traceImportState,
    errors: [],
  }),
  getImport: route({
    method: 'GET',
    path: '/api/v1/tracking/imports/:kind/:id',
    summary: 'Tell how far the import of a run or logged model is, and which files of it are here',
    permission: 'tracking:import',
    params: byObject,
    reply: importState.extend({ files: z.array(z.object({ path: z.string(), bytes: z.number().int() })) }),
    errors: [],
  }),
});
