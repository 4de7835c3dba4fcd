import type { Migration } from '#platform/db';

export const attemptMigrations: readonly Migration[] = [
  {
    name: 'pipelines/009-instances',
    async up(db) {
      // Of what was leased before nobody knows which process did: it is left to none, and its lease runs out.
      await db.schema
        .alterTable('pipeline_attempt')
        .addColumn('instance', 'text', (c) => c.notNull().defaultTo(''))
        .execute();
    },
  },
  {
    name: 'pipelines/011-usage',
    async up(db) {
      await db.schema.alterTable('pipeline_attempt').addColumn('usage', 'text').execute();
    },
  },
];
