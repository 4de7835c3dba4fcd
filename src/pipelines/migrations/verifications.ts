import type { Migration } from '#platform/db';

export const verificationMigrations: readonly Migration[] = [
  {
    name: 'pipelines/010-verifications',
    async up(db) {
      await db.schema.alterTable('pipeline_run').addColumn('verifies', 'text').execute();
      await db.schema
        .createTable('pipeline_verification')
        .addColumn('run', 'text', (c) => c.notNull())
        .addColumn('step', 'text', (c) => c.notNull())
        .addColumn('cache_key', 'text', (c) => c.notNull())
        .addColumn('of_run', 'text', (c) => c.notNull())
        .addColumn('of_step', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('differences', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('pipeline_verification_pk', ['run', 'step'])
        .execute();
      await db.schema
        .createIndex('pipeline_verification_key')
        .on('pipeline_verification')
        .columns(['cache_key', 'at'])
        .execute();
    },
  },
  {
    name: 'pipelines/012-lateness',
    async up(db) {
      await db.schema.alterTable('pipeline_run').addColumn('late_at', 'bigint').execute();
      await db.schema.alterTable('pipeline_run').addColumn('late_since', 'bigint').execute();
      await db.schema.createIndex('pipeline_run_late').on('pipeline_run').columns(['status', 'late_at']).execute();
    },
  },
];
