import type { Migration } from '#platform/db';

export const nestedMigrations: readonly Migration[] = [
  {
    name: 'pipelines/014-nested',
    async up(db) {
      await db.schema
        .createTable('pipeline_generation')
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('generation', 'integer', (c) => c.notNull())
        .addColumn('spec', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('pipeline_generation_pk', ['name', 'generation'])
        .execute();
      await db
        .insertInto('pipeline_generation')
        .columns(['name', 'generation', 'spec'])
        .expression((e) => e.selectFrom('pipeline').select(['name', 'generation', 'spec']))
        .execute();
      await db.schema.alterTable('pipeline_run').addColumn('parent_run', 'text').execute();
      await db.schema.alterTable('pipeline_run').addColumn('parent_step', 'text').execute();
      await db.schema
        .createIndex('pipeline_run_by_parent')
        .on('pipeline_run')
        .columns(['parent_run', 'parent_step'])
        .execute();
    },
  },
  {
    name: 'pipelines/022-run-inputs',
    async up(db) {
      await db.schema
        .alterTable('pipeline_run')
        .addColumn('inputs', 'text', (c) => c.notNull().defaultTo('{}'))
        .execute();
    },
  },
];
