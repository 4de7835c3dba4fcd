import type { Migration } from '#platform/db';

export const pauseMigrations: readonly Migration[] = [
  {
    name: 'pipelines/026-pauses',
    // What earlier runs were to wait between attempts was at most what steps wait that declare nothing.
    async up(db) {
      await db.schema.alterTable('pipeline_step').addColumn('pause_max_ms', 'integer').execute();
    },
  },
];
