import type { Migration } from '#platform/db';

/** Models that were brought in from another server, and who made there what is in them. */
export const importMigrations: readonly Migration[] = [
  {
    name: 'registry/imports/001-imports-and-authors',
    async up(db) {
      await db.schema
        .createTable('registry_import')
        .addColumn('model', 'text', (c) => c.primaryKey())
        .addColumn('source', 'text', (c) => c.notNull())
        .addColumn('digest', 'text')
        .addColumn('begun_at', 'bigint', (c) => c.notNull())
        .addColumn('finished_at', 'bigint')
        .execute();
      await db.schema.alterTable('registry_model').addColumn('author', 'text').execute();
      await db.schema.alterTable('registry_version').addColumn('author', 'text').execute();
    },
  },
];
