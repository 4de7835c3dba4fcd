import { sql } from 'kysely';
import type { Migration } from '#platform/db';
import { importMigrations } from '../imports/migrations.ts';

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
  {
    name: 'registry/003-projects-sources-and-stages',
    async up(db) {
      const model = (name: string, type: 'text' | 'bigint', initial?: string) =>
        db.schema
          .alterTable('registry_model')
          .addColumn(name, type, (c) => (initial === undefined ? c : c.notNull().defaultTo(initial)))
          .execute();
      await model('project', 'text', 'default');
      await model('updated_at', 'bigint');
      await model('deleted_at', 'bigint');
      await model('renamed_to', 'text');
      await sql`update registry_model set updated_at = created_at`.execute(db);
      const version = (name: string, type: 'text' | 'bigint' | 'integer', initial?: string) =>
        db.schema
          .alterTable('registry_version')
          .addColumn(name, type, (c) => (initial === undefined ? c : c.notNull().defaultTo(initial)))
          .execute();
      await version('source', 'text', '');
      await version('run_link', 'text', '');
      await version('logged_model', 'text');
      await version('schema', 'text', 'null');
      await version('status', 'text', 'ready');
      await version('status_message', 'text', '');
      await version('stage', 'text', 'Development');
      await version('stage_status', 'text', 'InProgress');
      await version('major', 'integer');
      await version('minor', 'integer');
      await version('patch', 'integer');
      await version('updated_at', 'bigint');
      await sql`update registry_version set major = 1, minor = 0, patch = version - 1, updated_at = created_at`.execute(
        db,
      );
      await db.schema
        .createIndex('registry_version_semantic')
        .unique()
        .on('registry_version')
        .columns(['model', 'major', 'minor', 'patch'])
        .execute();
      await db.schema
        .createIndex('registry_version_logged_model')
        .on('registry_version')
        .column('logged_model')
        .execute();
      await db.schema.createIndex('registry_version_updated').on('registry_version').column('updated_at').execute();
    },
  },
  {
    name: 'registry/004-model-tags-stage-moves-and-files',
    async up(db) {
      await db.schema
        .createTable('registry_model_tag')
        .addColumn('model', 'text', (c) => c.notNull())
        .addColumn('key', 'text', (c) => c.notNull())
        .addColumn('value', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('registry_model_tag_pk', ['model', 'key'])
        .execute();
      await db.schema
        .createTable('registry_stage_move')
        .addColumn('model', 'text', (c) => c.notNull())
        .addColumn('version', 'integer', (c) => c.notNull())
        .addColumn('number', 'integer', (c) => c.notNull())
        .addColumn('from_stage', 'text', (c) => c.notNull())
        .addColumn('from_status', 'text', (c) => c.notNull())
        .addColumn('to_stage', 'text', (c) => c.notNull())
        .addColumn('to_status', 'text', (c) => c.notNull())
        .addColumn('moved_by', 'text', (c) => c.notNull())
        .addColumn('moved_at', 'bigint', (c) => c.notNull())
        .addColumn('reason', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('registry_stage_move_pk', ['model', 'version', 'number'])
        .execute();
      // Which content versions rely on: whoever removes content that nothing refers to asks here by digest.
      await db.schema
        .createTable('registry_held_content')
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('model', 'text', (c) => c.notNull())
        .addColumn('version', 'integer', (c) => c.notNull())
        .addPrimaryKeyConstraint('registry_held_content_pk', ['digest', 'model', 'version'])
        .execute();
      const known = await db.selectFrom('registry_version').select(['model', 'version', 'artifacts']).execute();
      for (const { model, version, artifacts } of known) {
        const files: { readonly digest: string }[] = JSON.parse(artifacts);
        const rows = [...new Set(files.map(({ digest }) => digest))].map((digest) => ({ digest, model, version }));
        if (rows.length > 0) await db.insertInto('registry_held_content').values(rows).execute();
      }
    },
  },
  ...importMigrations,
];
