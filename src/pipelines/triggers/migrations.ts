import type { Migration } from '#platform/db';

export const triggerMigrations: readonly Migration[] = [
  {
    name: 'pipelines/007-triggers',
    async up(db) {
      await db.schema
        .createTable('trigger_state')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('source', 'text', (c) => c.notNull())
        .addColumn('spec', 'text', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('due_at', 'bigint')
        .addColumn('secret', 'text')
        .execute();
      await db.schema.createIndex('trigger_state_due').on('trigger_state').columns(['due_at']).execute();
      await db.schema.createIndex('trigger_state_source').on('trigger_state').columns(['source']).execute();
      await db.schema
        .createTable('trigger_firing')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('outcome', 'text', (c) => c.notNull())
        .addColumn('run', 'text')
        .addColumn('reason', 'text')
        .execute();
      await db.schema.createIndex('trigger_firing_by_name').on('trigger_firing').columns(['name', 'id']).execute();
      await db.schema
        .createTable('trigger_delivery')
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('trigger_delivery_pk', ['name', 'id'])
        .execute();
    },
  },
];
