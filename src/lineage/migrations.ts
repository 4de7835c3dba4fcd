import type { Migration } from '#platform/db';

export const lineageMigrations: readonly Migration[] = [
  {
    name: 'lineage/001-events',
    async up(db) {
      await db.schema
        .createTable('lineage_event')
        .addColumn('position', 'bigint', (c) => c.primaryKey())
        .addColumn('run', 'text', (c) => c.notNull())
        // Empty for the run as a whole.
        .addColumn('step', 'text', (c) => c.notNull())
        .addColumn('type', 'text', (c) => c.notNull())
        .addColumn('body', 'text', (c) => c.notNull())
        .execute();
      await db.schema
        .createIndex('lineage_event_of')
        .on('lineage_event')
        .columns(['run', 'step', 'type', 'position'])
        .execute();
      await db.schema
        .createTable('lineage_delivery')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('position', 'bigint', (c) => c.notNull())
        .addColumn('failures', 'integer', (c) => c.notNull())
        .addColumn('due_at', 'bigint', (c) => c.notNull())
        .addColumn('sent', 'bigint', (c) => c.notNull())
        .addColumn('refused', 'bigint', (c) => c.notNull())
        .addColumn('dropped', 'bigint', (c) => c.notNull())
        .addColumn('answer', 'text')
        .addColumn('answered_at', 'bigint')
        .execute();
    },
  },
];
