import type { Migration } from '#platform/db';

export const backfillMigrations: readonly Migration[] = [
  {
    name: 'pipelines/006-backfills',
    async up(db) {
      await db.schema.alterTable('pipeline_run').addColumn('partition_key', 'text').execute();
      await db.schema
        .createIndex('pipeline_run_by_partition')
        .on('pipeline_run')
        .columns(['pipeline', 'partition_key', 'created_at'])
        .execute();
      await db.schema
        .createTable('backfill')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('pipeline', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('concurrency', 'integer', (c) => c.notNull())
        .addColumn('params', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('created_by', 'text', (c) => c.notNull())
        .addColumn('finished_at', 'bigint')
        .execute();
      await db.schema.createIndex('backfill_by_status').on('backfill').columns(['status']).execute();
      await db.schema
        .createTable('backfill_partition')
        .addColumn('backfill', 'text', (c) => c.notNull())
        .addColumn('position', 'integer', (c) => c.notNull())
        .addColumn('partition_key', 'text', (c) => c.notNull())
        .addColumn('run', 'text')
        .addColumn('reason', 'text')
        .addPrimaryKeyConstraint('backfill_partition_pk', ['backfill', 'position'])
        .execute();
    },
  },
];
