import type { Migration } from '#platform/db';
import { queueMigrations } from './queue.ts';

export const pipelineMigrations: readonly Migration[] = [
  {
    name: 'pipelines/001-runs',
    async up(db) {
      // The spec as it is declared now, kept here so that a run can be started inside another domain's transaction.
      await db.schema
        .createTable('pipeline')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('generation', 'integer', (c) => c.notNull())
        .addColumn('spec', 'text', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('pipeline_run')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('pipeline', 'text', (c) => c.notNull())
        .addColumn('generation', 'integer', (c) => c.notNull())
        .addColumn('project', 'text')
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('params', 'text', (c) => c.notNull())
        .addColumn('seed', 'bigint', (c) => c.notNull())
        .addColumn('code', 'text')
        .addColumn('cause', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('started_at', 'bigint')
        .addColumn('finished_at', 'bigint')
        .addColumn('reason', 'text')
        .addColumn('outputs', 'text', (c) => c.notNull())
        .execute();
      await db.schema
        .createIndex('pipeline_run_by_pipeline')
        .on('pipeline_run')
        .columns(['pipeline', 'created_at'])
        .execute();
      await db.schema
        .createIndex('pipeline_run_by_status')
        .on('pipeline_run')
        .columns(['status', 'created_at'])
        .execute();
    },
  },
  {
    name: 'pipelines/002-steps',
    async up(db) {
      await db.schema
        .createTable('pipeline_step')
        .addColumn('run', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('pipeline', 'text', (c) => c.notNull())
        .addColumn('position', 'integer', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('needs', 'text', (c) => c.notNull())
        .addColumn('epoch', 'integer', (c) => c.notNull())
        .addColumn('retries', 'integer', (c) => c.notNull())
        .addColumn('failures', 'integer', (c) => c.notNull())
        .addColumn('losses', 'integer', (c) => c.notNull())
        .addColumn('ready_at', 'bigint')
        .addColumn('reason', 'text')
        .addColumn('labels', 'text', (c) => c.notNull())
        .addColumn('definition', 'text', (c) => c.notNull())
        .addColumn('inputs', 'text')
        .addColumn('cache_key', 'text')
        .addColumn('ingredients', 'text')
        .addColumn('keyed_at', 'bigint')
        .addColumn('started_at', 'bigint')
        .addColumn('finished_at', 'bigint')
        .addColumn('progress', 'text')
        .addColumn('metrics', 'text', (c) => c.notNull())
        .addColumn('outputs', 'text', (c) => c.notNull())
        .addColumn('result', 'text', (c) => c.notNull())
        .addColumn('cached_from', 'text')
        .addPrimaryKeyConstraint('pipeline_step_pk', ['run', 'name'])
        .execute();
      await db.schema.createIndex('pipeline_step_ready').on('pipeline_step').columns(['status', 'ready_at']).execute();
      await db.schema.createIndex('pipeline_step_key').on('pipeline_step').columns(['cache_key', 'status']).execute();
      await db.schema
        .createIndex('pipeline_step_history')
        .on('pipeline_step')
        .columns(['pipeline', 'name', 'keyed_at'])
        .execute();
    },
  },
  {
    name: 'pipelines/003-attempts-logs-cache',
    async up(db) {
      await db.schema
        .createTable('pipeline_attempt')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('run', 'text', (c) => c.notNull())
        .addColumn('step', 'text', (c) => c.notNull())
        .addColumn('epoch', 'integer', (c) => c.notNull())
        .addColumn('worker', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('started_at', 'bigint', (c) => c.notNull())
        .addColumn('lease_until', 'bigint', (c) => c.notNull())
        .addColumn('finished_at', 'bigint')
        .addColumn('error', 'text')
        .addUniqueConstraint('pipeline_attempt_epoch', ['run', 'step', 'epoch'])
        .execute();
      await db.schema
        .createIndex('pipeline_attempt_lease')
        .on('pipeline_attempt')
        .columns(['status', 'lease_until'])
        .execute();
      await db.schema
        .createTable('pipeline_log')
        .addColumn('run', 'text', (c) => c.notNull())
        .addColumn('step', 'text', (c) => c.notNull())
        .addColumn('position', 'bigint', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('stream', 'text', (c) => c.notNull())
        .addColumn('text', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('pipeline_log_pk', ['run', 'step', 'position'])
        .execute();
      await db.schema
        .createTable('pipeline_cache')
        .addColumn('cache_key', 'text', (c) => c.primaryKey())
        .addColumn('run', 'text', (c) => c.notNull())
        .addColumn('step', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('metrics', 'text', (c) => c.notNull())
        .addColumn('outputs', 'text', (c) => c.notNull())
        .addColumn('result', 'text', (c) => c.notNull())
        .execute();
    },
  },
  ...queueMigrations,
];
