import type { Migration } from '#platform/db';

export const recordMigrations: readonly Migration[] = [
  {
    name: 'pipelines/020-records',
    async up(db) {
      await db.schema
        .createTable('pipeline_environment')
        .addColumn('digest', 'text', (c) => c.primaryKey())
        .addColumn('body', 'text', (c) => c.notNull())
        .execute();
      // Units are recorded under the step that they are units of: thousands of them ran on a few kinds of machines.
      await db.schema
        .createTable('pipeline_step_environment')
        .addColumn('run', 'text', (c) => c.notNull())
        .addColumn('step', 'text', (c) => c.notNull())
        .addColumn('environment', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('pipeline_step_environment_pk', ['run', 'step', 'environment'])
        .execute();
      await db.schema
        .createTable('pipeline_run_record')
        .addColumn('run', 'text', (c) => c.primaryKey())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('body', 'text', (c) => c.notNull())
        .addColumn('sealed_at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('pipeline_run_origin')
        .addColumn('run', 'text', (c) => c.primaryKey())
        .addColumn('source', 'text')
        .addColumn('reproduces', 'text')
        .execute();
    },
  },
];
