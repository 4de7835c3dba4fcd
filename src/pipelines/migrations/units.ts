import type { Migration } from '#platform/db';

export const unitMigrations: readonly Migration[] = [
  {
    name: 'pipelines/008-units',
    async up(db) {
      await db.schema.alterTable('pipeline_step').addColumn('parent', 'text').execute();
      await db.schema
        .createIndex('pipeline_step_units')
        .on('pipeline_step')
        .columns(['run', 'parent', 'status'])
        .execute();
      // Thousands of units are ready at one moment: with their order in the index, taking a few sorts none of them.
      await db.schema.dropIndex('pipeline_step_class').execute();
      await db.schema
        .createIndex('pipeline_step_queue')
        .on('pipeline_step')
        .columns(['status', 'class', 'rank', 'ready_at', 'run', 'position'])
        .execute();
    },
  },
];
