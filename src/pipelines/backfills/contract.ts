import { z } from 'zod';
import { contract, nameSchema, pageOf, pageQuery, route } from '#platform/contract';
import { id, runStatus } from '../shapes.ts';
import { PARTITIONS_MAX } from './partitions.ts';

const bound = z.union([z.iso.date(), z.iso.datetime({ offset: true })]);

const partitionView = z.object({
  partition: z.string(),
  /** Of its newest run; `missing` when it has none. */
  status: z.union([runStatus, z.literal('missing')]),
  run: z.string().nullable(),
});
export type PartitionView = z.output<typeof partitionView>;

const backfillView = z.object({
  backfill: z.string(),
  pipeline: z.string(),
  /** `done` when all its runs are over, however they ended. */
  status: z.enum(['running', 'paused', 'cancelled', 'done']),
  concurrency: z.number().int(),
  params: z.record(z.string(), z.unknown()),
  createdAt: z.number(),
  createdBy: z.string(),
  finishedAt: z.number().nullable(),
  /** How many of its partitions are in which state; `waiting` for those not started. */
  progress: z.object({
    partitions: z.number().int(),
    waiting: z.number().int(),
    active: z.number().int(),
    succeeded: z.number().int(),
    failed: z.number().int(),
    cancelled: z.number().int(),
  }),
});
export type BackfillView = z.output<typeof backfillView>;

const ofBackfill = z.object({ backfill: id });
const over = ['pipelines/backfill-not-found', 'pipelines/backfill-over'] as const;

export const backfillsContract = contract({
  listPartitions: route({
    method: 'GET',
    path: '/api/v1/pipelines/:pipeline/partitions',
    summary: 'The partitions of a pipeline that are over, oldest first, each with its newest run',
    permission: 'pipelines:read',
    params: z.object({ pipeline: nameSchema }),
    query: z.object({ from: bound.optional(), to: bound.optional() }),
    reply: z.object({ items: z.array(partitionView), param: z.string() }),
    errors: ['pipelines/not-found', 'pipelines/not-partitioned'],
  }),
  startBackfill: route({
    method: 'POST',
    path: '/api/v1/backfills',
    summary: 'Start a run for each of many partitions, so many at a time',
    permission: 'pipelines:write',
    body: z.strictObject({
      pipeline: nameSchema,
      from: bound.optional(),
      to: bound.optional(),
      /** Instead of a span. */
      partitions: z.array(z.string().min(1).max(100)).min(1).max(PARTITIONS_MAX).optional(),
      /** Only partitions without a run that succeeded or goes on. */
      missingOnly: z.boolean().default(true),
      concurrency: z.number().int().min(1).max(1_000).default(4),
      params: z.record(z.string().max(60), z.unknown()).default({}),
    }),
    reply: backfillView,
    errors: [
      'pipelines/not-found',
      'pipelines/not-partitioned',
      'pipelines/nothing-to-backfill',
      'pipelines/invalid-params',
    ],
    audit: 'backfill.start',
  }),
  listBackfills: route({
    method: 'GET',
    path: '/api/v1/backfills',
    summary: 'List backfills, newest first',
    permission: 'pipelines:read',
    query: pageQuery.extend({ pipeline: nameSchema.optional() }),
    reply: pageOf(backfillView),
  }),
  getBackfill: route({
    method: 'GET',
    path: '/api/v1/backfills/:backfill',
    summary: 'Describe a backfill with its partitions and their runs',
    permission: 'pipelines:read',
    params: ofBackfill,
    reply: backfillView.extend({
      items: z.array(
        partitionView.extend({
          status: z.union([runStatus, z.enum(['waiting', 'refused'])]),
          reason: z.string().nullable(),
        }),
      ),
    }),
    errors: ['pipelines/backfill-not-found'],
  }),
  pauseBackfill: route({
    method: 'POST',
    path: '/api/v1/backfills/:backfill/pause',
    summary: 'Pause a backfill: it starts no further run',
    permission: 'pipelines:write',
    params: ofBackfill,
    reply: backfillView,
    errors: over,
    audit: 'backfill.pause',
  }),
  resumeBackfill: route({
    method: 'POST',
    path: '/api/v1/backfills/:backfill/resume',
    summary: 'Let a paused backfill go on',
    permission: 'pipelines:write',
    params: ofBackfill,
    reply: backfillView,
    errors: over,
    audit: 'backfill.resume',
  }),
  cancelBackfill: route({
    method: 'POST',
    path: '/api/v1/backfills/:backfill/cancel',
    summary: 'Cancel a backfill and the runs of it that go on',
    permission: 'pipelines:write',
    params: ofBackfill,
    reply: backfillView,
    errors: over,
    audit: 'backfill.cancel',
  }),
});
