import type { Migration } from '#platform/db';

export const approvalMigrations: readonly Migration[] = [
  {
    name: 'governance/approvals/001-requests-and-keys',
    async up(db) {
      await db.schema
        .createTable('governance_approval_request')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('model', 'text', (c) => c.notNull())
        .addColumn('version', 'integer', (c) => c.notNull())
        .addColumn('transition', 'text', (c) => c.notNull())
        .addColumn('target', 'text', (c) => c.notNull())
        .addColumn('reason', 'text', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('needed', 'integer', (c) => c.notNull())
        .addColumn('requested_by', 'text', (c) => c.notNull())
        .addColumn('requested_at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema
        .createIndex('governance_approval_request_version')
        .on('governance_approval_request')
        .columns(['model', 'version'])
        .execute();
      await db.schema
        .createTable('governance_approval')
        .addColumn('request', 'text', (c) => c.notNull().references('governance_approval_request.id'))
        .addColumn('number', 'integer', (c) => c.notNull())
        .addColumn('approver', 'text', (c) => c.notNull())
        .addColumn('decision', 'text', (c) => c.notNull())
        .addColumn('reason', 'text', (c) => c.notNull())
        .addColumn('key_id', 'text', (c) => c.notNull())
        .addColumn('signature', 'text', (c) => c.notNull())
        .addColumn('decided_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('governance_approval_pk', ['request', 'number'])
        .addUniqueConstraint('governance_approval_once', ['request', 'approver'])
        .execute();
      await db.schema
        .createTable('governance_approver_key')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('owner', 'text', (c) => c.notNull())
        .addColumn('public_key', 'text', (c) => c.notNull())
        .addColumn('enrolled_at', 'bigint', (c) => c.notNull())
        .addColumn('revoked_at', 'bigint')
        .execute();
    },
  },
];
