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
  {
    name: 'pipelines/015-places',
    async up(db) {
      for (const column of ['executor', 'job'] as const) {
        await db.schema.alterTable('pipeline_attempt').addColumn(column, 'text').execute();
      }
    },
  },
  {
    name: 'pipelines/013-preemption-and-deadlines',
    async up(db) {
      for (const column of ['preemptible', 'preemptions'] as const) {
        await db.schema
          .alterTable('pipeline_step')
          .addColumn(column, 'integer', (c) => c.notNull().defaultTo(0))
          .execute();
      }
      for (const [column, type] of [
        ['class_after', 'text'],
        ['within_ms', 'bigint'],
        ['deadline_at', 'bigint'],
      ] as const) {
        await db.schema.alterTable('pipeline_step').addColumn(column, type).execute();
      }
      await db.schema
        .createIndex('pipeline_step_deadline')
        .on('pipeline_step')
        .columns(['status', 'deadline_at'])
        .execute();
    },
  },
];
