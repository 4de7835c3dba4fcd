import type { Migration } from '#platform/db';

export const scheduleMigrations: readonly Migration[] = [
  {
    name: 'pipelines/004-schedules',
    async up(db) {
      await db.schema
        .createTable('schedule')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('pipeline', 'text', (c) => c.notNull())
        .addColumn('spec', 'text', (c) => c.notNull())
        .addColumn('cursor_at', 'bigint', (c) => c.notNull())
        .addColumn('next_at', 'bigint')
        .addColumn('paused_at', 'bigint')
        .addColumn('paused_by', 'text')
        .addColumn('pause_reason', 'text')
        .execute();
      await db.schema.createIndex('schedule_due').on('schedule').columns(['next_at']).execute();
      await db.schema
        .createTable('schedule_tick')
        .addColumn('schedule', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('outcome', 'text', (c) => c.notNull())
        .addColumn('run', 'text')
        .addColumn('reason', 'text')
        .addColumn('decided_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('schedule_tick_pk', ['schedule', 'at'])
        .execute();
    },
  },
];
