import type { Migration } from '#platform/db';

export const purgeMigrations: readonly Migration[] = [
  {
    name: 'tracking/purge/001-numbers-of-purged-experiments',
    async up(db) {
      await db.schema
        .createTable('tracking_purged_experiment')
        .addColumn('number', 'bigint', (c) => c.primaryKey())
        .execute();
    },
  },
];
