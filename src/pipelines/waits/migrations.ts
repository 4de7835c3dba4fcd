import type { Migration } from '#platform/db';

export const waitMigrations: readonly Migration[] = [
  {
    name: 'pipelines/025-waits-for-events',
    async up(db) {
      await db.schema.alterTable('pipeline_step').addColumn('awaits', 'text').execute();
      await db.schema
        .createIndex('pipeline_step_awaits')
        .on('pipeline_step')
        .columns(['awaits', 'status'])
        .where('awaits', 'is not', null)
        .execute();
    },
  },
];
