import type { Migration } from '#platform/db';

/** What was brought in from another server, and how far: a run or logged model without a row was made here. */
export const importMigrations: readonly Migration[] = [
  {
    name: 'tracking/imports/001-imports',
    async up(db) {
      await db.schema
        .createTable('tracking_import')
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('source', 'text', (c) => c.notNull())
        .addColumn('digest', 'text')
        .addColumn('begun_at', 'bigint', (c) => c.notNull())
        .addColumn('finished_at', 'bigint')
        .addPrimaryKeyConstraint('tracking_import_pk', ['kind', 'id'])
        .execute();
    },
  },
];
