import type { Migration } from '#platform/db';

export const accountMigrations: readonly Migration[] = [
  {
    name: 'accounts/001-users',
    async up(db) {
      await db.schema
        .createTable('account_user')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('roles', 'text', (c) => c.notNull())
        .addColumn('password', 'text')
        .addColumn('issuer', 'text')
        .addColumn('subject', 'text')
        .addColumn('disabled', 'integer', (c) => c.notNull())
        .addColumn('credentials_version', 'integer', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema
        .createIndex('account_user_identity')
        .unique()
        .on('account_user')
        .columns(['issuer', 'subject'])
        .execute();
      await db.schema
        .createTable('account_key')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('user_name', 'text', (c) => c.notNull())
        .addColumn('label', 'text', (c) => c.notNull())
        .addColumn('hash', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('expires_at', 'bigint')
        .addColumn('revoked_at', 'bigint')
        .execute();
      await db.schema.createIndex('account_key_user').on('account_key').columns(['user_name', 'id']).execute();
      await db.schema
        .createTable('account_session')
        .addColumn('hash', 'text', (c) => c.primaryKey())
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('actor', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('expires_at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema
        .createIndex('account_session_actor')
        .on('account_session')
        .columns(['actor', 'created_at'])
        .execute();
    },
  },
  {
    name: 'accounts/002-projects',
    async up(db) {
      await db.schema
        .createTable('account_project')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('description', 'text', (c) => c.notNull())
        .addColumn('archived', 'integer', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .execute();
      await db
        .insertInto('account_project')
        .values({ name: 'default', description: '', archived: 0, created_at: 0, updated_at: 0 })
        .execute();
      await db.schema
        .createTable('account_grant')
        .addColumn('principal', 'text', (c) => c.notNull())
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('object', 'text', (c) => c.notNull())
        .addColumn('level', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('account_grant_pk', ['principal', 'project', 'object'])
        .execute();
      await db.schema.createIndex('account_grant_object').on('account_grant').columns(['project', 'object']).execute();
    },
  },
];
