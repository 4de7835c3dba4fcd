import type { Migration } from '#platform/db';

/** What people and programs found wrong with an application, by what its traces show. */
export const issueMigrations: readonly Migration[] = [
  {
    name: 'tracking/issues/001-issues',
    async up(db) {
      await db.schema
        .createTable('tracking_issue')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('experiment', 'text', (c) => c.notNull().references('tracking_experiment.id'))
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('description', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('severity', 'text')
        .addColumn('root_causes', 'text', (c) => c.notNull())
        .addColumn('categories', 'text', (c) => c.notNull())
        .addColumn('source_run', 'text')
        .addColumn('named_by', 'text')
        .addColumn('created_by', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .execute();
      await db.schema
        .createIndex('tracking_issue_created')
        .on('tracking_issue')
        .columns(['experiment', 'created_at', 'id'])
        .execute();
      // Traces say that they have an issue by an assessment whose name is the issue's id.
      await db.schema
        .createIndex('tracking_assessment_by_name')
        .on('tracking_assessment')
        .columns(['kind', 'name'])
        .execute();
    },
  },
];
