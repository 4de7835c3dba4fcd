import type { Migration } from '#platform/db';

export const governanceMigrations: readonly Migration[] = [
  {
    name: 'governance/001-decisions-and-waivers',
    async up(db) {
      await db.schema
        .createTable('governance_decision')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('model', 'text', (c) => c.notNull())
        .addColumn('version', 'integer', (c) => c.notNull())
        .addColumn('transition', 'text', (c) => c.notNull())
        .addColumn('target', 'text', (c) => c.notNull())
        .addColumn('actor', 'text', (c) => c.notNull())
        .addColumn('cause', 'text')
        .addColumn('allow', 'integer', (c) => c.notNull())
        .addColumn('policies', 'text', (c) => c.notNull())
        .addColumn('satisfied', 'text', (c) => c.notNull())
        .addColumn('missing', 'text', (c) => c.notNull())
        .addColumn('waivers', 'text', (c) => c.notNull())
        .addColumn('evidence_digest', 'text', (c) => c.notNull())
        .addColumn('decided_at', 'bigint', (c) => c.notNull())
        .execute();
      const index = (name: string, columns: string[]) =>
        db.schema.createIndex(name).on('governance_decision').columns(columns).execute();
      await index('governance_decision_time', ['decided_at', 'id']);
      await index('governance_decision_version', ['model', 'version', 'decided_at']);
      await db.schema
        .createTable('governance_waiver')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('model', 'text', (c) => c.notNull())
        .addColumn('version', 'integer', (c) => c.notNull())
        .addColumn('transition', 'text', (c) => c.notNull())
        .addColumn('target', 'text', (c) => c.notNull())
        .addColumn('items', 'text', (c) => c.notNull())
        .addColumn('reason', 'text', (c) => c.notNull())
        .addColumn('given_by', 'text', (c) => c.notNull())
        .addColumn('given_at', 'bigint', (c) => c.notNull())
        .addColumn('revoked_by', 'text')
        .addColumn('revoked_at', 'bigint')
        .execute();
      await db.schema
        .createIndex('governance_waiver_version')
        .on('governance_waiver')
        .columns(['model', 'version'])
        .execute();
    },
  },
];
