import { GENESIS_HASH } from './audit-chain.ts';
import type { Migration } from './migrations.ts';

export const platformMigrations: readonly Migration[] = [
  {
    name: 'platform/001-logs',
    async up(db) {
      await db.schema
        .createTable('log_head')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('audit_seq', 'bigint', (c) => c.notNull())
        .addColumn('audit_hash', 'text', (c) => c.notNull())
        .addColumn('event_seq', 'bigint', (c) => c.notNull())
        .execute();
      await db.insertInto('log_head').values({ id: 1, audit_seq: 0, audit_hash: GENESIS_HASH, event_seq: 0 }).execute();
      await db.schema
        .createTable('audit')
        .addColumn('seq', 'bigint', (c) => c.primaryKey())
        .addColumn('time', 'bigint', (c) => c.notNull())
        .addColumn('actor', 'text', (c) => c.notNull())
        .addColumn('action', 'text', (c) => c.notNull())
        .addColumn('subject', 'text', (c) => c.notNull())
        .addColumn('detail', 'text', (c) => c.notNull())
        .addColumn('hash', 'text', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('audit_subject').on('audit').columns(['subject', 'seq']).execute();
      await db.schema
        .createTable('event')
        .addColumn('seq', 'bigint', (c) => c.primaryKey())
        .addColumn('time', 'bigint', (c) => c.notNull())
        .addColumn('type', 'text', (c) => c.notNull())
        .addColumn('subject', 'text', (c) => c.notNull())
        .addColumn('data', 'text', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('event_cursor')
        .addColumn('consumer', 'text', (c) => c.primaryKey())
        .addColumn('seq', 'bigint', (c) => c.notNull())
        .execute();
    },
  },
  {
    name: 'platform/002-resources',
    async up(db) {
      await db.schema
        .createTable('resource')
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('generation', 'integer', (c) => c.notNull())
        .addColumn('spec', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('resource_pk', ['kind', 'name'])
        .execute();
    },
  },
  {
    name: 'platform/003-leader',
    async up(db) {
      await db.schema
        .createTable('leader')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('holder', 'text', (c) => c.notNull())
        .addColumn('until', 'bigint', (c) => c.notNull())
        .execute();
    },
  },
  {
    name: 'platform/004-project-logs',
    // Entries from before stay in the log of the installation alone; the log of a project begins with its next entry.
    async up(db) {
      await db.schema
        .createTable('audit_project')
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('seq', 'bigint', (c) => c.notNull())
        .addColumn('hash', 'text', (c) => c.notNull())
        .addColumn('entry', 'bigint', (c) => c.notNull().unique())
        .addPrimaryKeyConstraint('audit_project_pk', ['project', 'seq'])
        .execute();
    },
  },
];
