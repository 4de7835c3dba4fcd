import { z } from 'zod';
import type { Digest } from '#core/hash';
import { contract, nameSchema, route } from '#platform/contract';

export const columnType = z.enum(['string', 'integer', 'number', 'boolean', 'timestamp']);
export type ColumnType = z.output<typeof columnType>;

const columnName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]{0,62}$/, 'expected a letter, then letters, digits or _ (at most 63)');
/** An expression over the columns of a row, in DuckDB's SQL. It runs in a sandbox without files or network. */
const sqlExpression = z
  .string()
  .min(1)
  .max(2_000)
  .refine((text) => !text.includes(';'), 'expected one SQL expression, without ;');
const label = z.string().min(1).max(120);

const rowExpectation = z.object({
  name: label,
  /** Holds for every good row. A row for which it does not hold is kept apart; the others pass. */
  row: sqlExpression,
  otherwise: z.enum(['reject', 'warn']).default('reject'),
});
const uniqueExpectation = z.object({
  name: label,
  /** Columns that no two rows of a batch share. The first of equal rows passes. */
  unique: z.array(columnName).min(1).max(20),
  otherwise: z.enum(['reject', 'warn']).default('reject'),
});
const shareExpectation = z.object({
  name: label,
  /** The share of rows for which this holds may be at most `max`. */
  share: sqlExpression,
  max: z.number().min(0).max(1),
  /** Looks at each value of this column by itself. */
  by: columnName.optional(),
  /** Groups with fewer rows are not judged. */
  minRows: z.number().int().min(1).default(20),
  /** `quarantine-group` keeps apart only the groups that fail. */
  otherwise: z.enum(['quarantine-batch', 'quarantine-group', 'warn']).default('quarantine-batch'),
});
const countExpectation = z.object({
  name: label,
  rows: z.object({ min: z.number().int().min(0).optional(), max: z.number().int().min(0).optional() }),
  otherwise: z.enum(['quarantine-batch', 'warn']).default('quarantine-batch'),
});

export const expectation = z.union([rowExpectation, uniqueExpectation, shareExpectation, countExpectation]);
export type Expectation = z.output<typeof expectation>;

/** The spec of the resource kind `dataset`. */
export const datasetSpec = z.strictObject({
  description: z.string().max(2_000).default(''),
  /** Declared columns; without them the schema of the first batch is taken and enforced from then on. */
  columns: z.record(columnName, columnType).optional(),
  /** The column that says when a row's event happened. */
  eventTime: columnName,
  /** The column that says when the row became known; the event time unless told. */
  knownTime: columnName.optional(),
  /** Corrections of known defects, in order, each counted. */
  repairs: z
    .array(z.strictObject({ name: label, when: sqlExpression, set: z.record(columnName, sqlExpression) }))
    .max(50)
    .default([]),
  /** Columns computed after the repairs; a later one may use an earlier one. */
  derive: z.record(columnName, sqlExpression).default({}),
  expectations: z.array(expectation).max(200).default([]),
});
export type DatasetSpec = z.output<typeof datasetSpec>;

const checkResult = z.object({
  name: z.string(),
  outcome: z.enum(['passed', 'warned', 'rejected-rows', 'quarantined-groups', 'quarantined-batch']),
  failedRows: z.number().int(),
  share: z.number().nullable(),
  limit: z.number().nullable(),
  /** Groups that failed, worst first, at most 20. */
  groups: z.array(z.object({ group: z.string(), rows: z.number().int(), share: z.number() })),
});
export type CheckResult = z.output<typeof checkResult>;

const columnProfile = z.object({
  name: z.string(),
  type: columnType,
  nulls: z.number().int(),
  min: z.union([z.number(), z.string()]).nullable(),
  max: z.union([z.number(), z.string()]).nullable(),
  mean: z.number().nullable(),
});
export type ColumnProfile = z.output<typeof columnProfile>;

const validationReport = z.object({
  rows: z.number().int(),
  accepted: z.number().int(),
  held: z.number().int(),
  repairs: z.array(z.object({ name: z.string(), rows: z.number().int() })),
  checks: z.array(checkResult),
  columns: z.array(columnProfile),
});
export type ValidationReport = z.output<typeof validationReport>;

export const segmentView = z.object({
  digest: z.custom<Digest>((value) => typeof value === 'string' && value.startsWith('sha256:')),
  rows: z.number().int(),
  /** Epoch milliseconds of the earliest and latest event, and of the earliest and latest knowledge. */
  minAt: z.number(),
  maxAt: z.number(),
  minKnownAt: z.number(),
  maxKnownAt: z.number(),
});

const batchView = z.object({
  dataset: z.string(),
  batch: z.string(),
  status: z.enum(['committed', 'partly-held', 'held', 'released']),
  commit: z.number().int().nullable(),
  report: validationReport,
  receivedAt: z.number(),
});
export type BatchView = z.output<typeof batchView>;

const commitView = z.object({
  dataset: z.string(),
  commit: z.number().int(),
  batch: z.string(),
  segment: segmentView,
  committedAt: z.number(),
});
export type CommitView = z.output<typeof commitView>;

const snapshotView = z.object({
  dataset: z.string(),
  commit: z.number().int(),
  rows: z.number().int(),
  columns: z.record(z.string(), columnType),
  segments: z.array(segmentView),
});
export type SnapshotView = z.output<typeof snapshotView>;

const batchName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/, 'expected letters, digits, . _ : -');
const ofDataset = z.object({ dataset: nameSchema });
const ofBatch = ofDataset.extend({ batch: batchName });

export const BATCH_BYTES_MAX = 268_435_456;

export const datasetsContract = contract({
  commitBatch: route({
    method: 'PUT',
    path: '/api/v1/datasets/:dataset/batches/:batch',
    summary: 'Send a batch of rows: it is validated and committed, or held. Sending it again changes nothing',
    permission: 'datasets:write',
    params: ofBatch,
    upload: ['application/vnd.apache.parquet', 'text/csv', 'application/x-ndjson'],
    bodyBytesMax: BATCH_BYTES_MAX,
    reply: batchView,
    errors: ['datasets/not-found', 'datasets/batch-conflict', 'datasets/unreadable-batch', 'datasets/empty-batch'],
    audit: 'dataset.commit',
  }),
  releaseBatch: route({
    method: 'POST',
    path: '/api/v1/datasets/:dataset/batches/:batch/release',
    summary: 'Validate the held rows of a batch again, under the dataset as it is declared now, and commit what passes',
    permission: 'datasets:write',
    params: ofBatch,
    body: z.strictObject({
      /** When the released rows become known, in epoch milliseconds: a correction is knowledge of its own time. */
      knownAt: z.number().optional(),
    }),
    reply: batchView,
    errors: ['datasets/batch-not-found', 'datasets/nothing-held'],
    audit: 'dataset.release',
  }),
  listBatches: route({
    method: 'GET',
    path: '/api/v1/datasets/:dataset/batches',
    summary: 'List batches with their validation reports, newest first',
    permission: 'datasets:read',
    params: ofDataset,
    query: z.object({
      held: z.enum(['true', 'false']).optional(),
      limit: z.coerce.number().int().min(1).max(500).default(50),
    }),
    reply: z.object({ items: z.array(batchView) }),
    errors: ['datasets/not-found'],
  }),
  getSnapshot: route({
    method: 'GET',
    path: '/api/v1/datasets/:dataset/snapshot',
    summary: 'The segments of a dataset as of a commit (the newest unless told)',
    permission: 'datasets:read',
    params: ofDataset,
    query: z.object({ commit: z.coerce.number().int().min(0).optional() }),
    reply: snapshotView,
    errors: ['datasets/not-found'],
  }),
});
