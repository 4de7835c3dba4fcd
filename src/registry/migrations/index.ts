import type { Migration } from '#platform/db';

export const registryMigrations: readonly Migration[] = [
  {
    name: 'registry/001-models-and-versions',
    async up(db) {
      await db.schema
        .createTable('registry_model')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('description', 'text', (c) => c.notNull())
        .addColumn('protected_aliases', 'text', (c) => c.notNull())
        .addColumn('last_version', 'integer', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('created_by', 'text', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('registry_version')
        .addColumn('model', 'text', (c) => c.notNull().references('registry_model.name'))
        .addColumn('version', 'integer', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('run', 'text')
        .addColumn('cause', 'text', (c) => c.notNull())
        .addColumn('artifacts', 'text', (c) => c.notNull())
        .addColumn('signature', 'text', (c) => c.notNull())
        .addColumn('description', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('created_by', 'text', (c) => c.notNull())
        .addColumn('deleted_at', 'bigint')
        .addPrimaryKeyConstraint('registry_version_pk', ['model', 'version'])
        .execute();
      await db.schema
        .createIndex('registry_version_digest')
        .on('registry_version')
        .columns(['model', 'digest'])
        .execute();
      await db.schema.createIndex('registry_version_run').on('registry_version').column('run').execute();
      await db.schema
        .createTable('registry_version_tag')
        .addColumn('model', 'text', (c) => c.notNull())
        .addColumn('version', 'integer', (c) => c.notNull())
        .addColumn('key', 'text', (c) => c.notNull())
        .addColumn('value', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('registry_version_tag_pk', ['model', 'version', 'key'])
        .execute();
    },
  },
  {
    name: 'registry/002-evidence-and-aliases',
    async up(db) {
      await db.schema
        .createTable('registry_evidence')
        .addColumn('model', 'text', (c) => c.notNull())
        .addColumn('version', 'integer', (c) => c.notNull())
        .addColumn('number', 'integer', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull().unique())
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('passed', 'integer')
        .addColumn('data', 'text', (c) => c.notNull())
        .addColumn('bytes', 'integer', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('added_by', 'text', (c) => c.notNull())
        .addColumn('added_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('registry_evidence_pk', ['model', 'version', 'number'])
        .execute();
      await db.schema
        .createTable('registry_alias')
        .addColumn('model', 'text', (c) => c.notNull().references('registry_model.name'))
        .addColumn('alias', 'text', (c) => c.notNull())
        .addColumn('version', 'integer', (c) => c.notNull())
        .addPrimaryKeyConstraint('registry_alias_pk', ['model', 'alias'])
        .execute();
      await db.schema
        .createTable('registry_alias_move')
        .addColumn('model', 'text', (c) => c.notNull())
        .addColumn('alias', 'text', (c) => c.notNull())
        .addColumn('number', 'integer', (c) => c.notNull())
        .addColumn('from_version', 'integer')
        .addColumn('to_version', 'integer')
        .addColumn('moved_by', 'text', (c) => c.notNull())
        .addColumn('moved_at', 'bigint', (c) => c.notNull())
        .addColumn('reason', 'text', (c) => c.notNull())
        .addColumn('cause', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('registry_alias_move_pk', ['model', 'alias', 'number'])
        .execute();
    },
  },
];
