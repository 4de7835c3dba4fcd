import type { Migration } from '#platform/db';

export const signingMigrations: readonly Migration[] = [
  {
    name: 'registry-signing/001-signers',
    async up(db) {
      await db.schema
        .createTable('registry_signer')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('pem', 'text', (c) => c.notNull())
        .addColumn('fingerprint', 'text', (c) => c.notNull().unique())
        .addColumn('algorithm', 'text', (c) => c.notNull())
        .addColumn('subject', 'text')
        .addColumn('added_at', 'bigint', (c) => c.notNull())
        .addColumn('added_by', 'text', (c) => c.notNull())
        .addColumn('revoked_at', 'bigint')
        .addColumn('revoked_by', 'text')
        .execute();
    },
  },
];
