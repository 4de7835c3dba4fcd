import type { Migration } from '#platform/db';

export const automationMigrations: readonly Migration[] = [
  {
    name: 'automation/001-rules-and-incidents',
    async up(db) {
      await db.schema
        .createTable('rule_state')
        .addColumn('rule', 'text', (c) => c.primaryKey())
        .addColumn('state', 'text', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('rule_decision')
        .addColumn('decision', 'text', (c) => c.primaryKey())
        .addColumn('rule', 'text', (c) => c.notNull())
        .addColumn('outcome', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('reason', 'text', (c) => c.notNull())
        .addColumn('run', 'text')
        .execute();
      await db.schema
        .createTable('incident')
        .addColumn('incident', 'text', (c) => c.primaryKey())
        .addColumn('subject', 'text', (c) => c.notNull())
        .addColumn('title', 'text', (c) => c.notNull())
        .addColumn('severity', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('opened_at', 'bigint', (c) => c.notNull())
        .addColumn('resolved_at', 'bigint')
        .addColumn('facts', 'text', (c) => c.notNull())
        .addColumn('changes', 'text', (c) => c.notNull())
        .addColumn('advice', 'text', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('incident_subject').on('incident').columns(['subject', 'status']).execute();
    },
  },
];
