import type { Migration } from '#platform/db';

/** What programs that answer questions are evaluated with: data sets of questions, and scorers of answers. */
export const evaluationMigrations: readonly Migration[] = [
  {
    name: 'tracking/evaluation/001-datasets',
    async up(db) {
      await db.schema
        .createTable('tracking_evaluation_dataset')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('schema', 'text', (c) => c.notNull())
        .addColumn('records', 'integer', (c) => c.notNull())
        .addColumn('last_position', 'bigint', (c) => c.notNull())
        .addColumn('owner', 'text', (c) => c.notNull())
        .addColumn('created_by', 'text')
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_by', 'text')
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .addColumn('deleted_at', 'bigint')
        .execute();
      await db.schema
        .createIndex('tracking_evaluation_dataset_created')
        .on('tracking_evaluation_dataset')
        .columns(['project', 'created_at', 'id'])
        .execute();
      const ofDataset = (table: string) =>
        db.schema
          .createTable(table)
          .addColumn('dataset', 'text', (c) => c.notNull().references('tracking_evaluation_dataset.id'));
      await ofDataset('tracking_evaluation_tag')
        .addColumn('key', 'text', (c) => c.notNull())
        .addColumn('value', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('tracking_evaluation_tag_pk', ['dataset', 'key'])
        .execute();
      await ofDataset('tracking_evaluation_experiment')
        .addColumn('experiment', 'text', (c) => c.notNull().references('tracking_experiment.id'))
        .addPrimaryKeyConstraint('tracking_evaluation_experiment_pk', ['dataset', 'experiment'])
        .execute();
      await db.schema
        .createIndex('tracking_evaluation_experiment_of')
        .on('tracking_evaluation_experiment')
        .column('experiment')
        .execute();
      await ofDataset('tracking_evaluation_record')
        .addColumn('id', 'text', (c) => c.notNull().unique())
        .addColumn('position', 'bigint', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('bytes', 'bigint', (c) => c.notNull())
        .addColumn('content', 'text', (c) => c.notNull())
        .addColumn('created_by', 'text')
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_by', 'text')
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('tracking_evaluation_record_pk', ['dataset', 'position'])
        .addUniqueConstraint('tracking_evaluation_record_digest', ['dataset', 'digest'])
        .execute();
    },
  },
  {
    name: 'tracking/evaluation/002-scorers',
    async up(db) {
      await db.schema
        .createTable('tracking_scorer')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('experiment', 'text', (c) => c.notNull().references('tracking_experiment.id'))
        .addColumn('name', 'text', (c) => c.notNull())
        .addUniqueConstraint('tracking_scorer_name', ['experiment', 'name'])
        .execute();
      await db.schema
        .createTable('tracking_scorer_version')
        .addColumn('scorer', 'text', (c) => c.notNull().references('tracking_scorer.id'))
        .addColumn('version', 'integer', (c) => c.notNull())
        .addColumn('content', 'text', (c) => c.notNull())
        .addColumn('created_by', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('deleted_at', 'bigint')
        .addPrimaryKeyConstraint('tracking_scorer_version_pk', ['scorer', 'version'])
        .execute();
    },
  },
];
