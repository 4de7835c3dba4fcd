import type { Migration } from '#platform/db';

/** Data sets and logged models, and which runs read or made them. */
export const lineageMigrations: readonly Migration[] = [
  {
    name: 'tracking/007-datasets',
    async up(db) {
      await db.schema
        .createTable('tracking_dataset')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('experiment', 'text', (c) => c.notNull().references('tracking_experiment.id'))
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('source_type', 'text', (c) => c.notNull())
        .addColumn('source', 'text', (c) => c.notNull())
        .addColumn('schema', 'text')
        .addColumn('profile', 'text')
        .addUniqueConstraint('tracking_dataset_digest', ['experiment', 'name', 'digest'])
        .execute();
      await db.schema
        .createTable('tracking_dataset_input')
        .addColumn('run', 'text', (c) => c.notNull().references('tracking_run.id'))
        .addColumn('dataset', 'text', (c) => c.notNull().references('tracking_dataset.id'))
        .addColumn('position', 'integer', (c) => c.notNull())
        .addColumn('context', 'text')
        .addColumn('tags', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('tracking_dataset_input_pk', ['run', 'dataset'])
        .execute();
      await db.schema
        .createIndex('tracking_dataset_input_dataset')
        .on('tracking_dataset_input')
        .column('dataset')
        .execute();
    },
  },
  {
    name: 'tracking/008-logged-models',
    async up(db) {
      await db.schema
        .createTable('tracking_model')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('experiment', 'text', (c) => c.notNull().references('tracking_experiment.id'))
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('artifact_uri', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('status_message', 'text')
        .addColumn('model_type', 'text')
        .addColumn('source_run', 'text')
        .addColumn('created_by', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .addColumn('deleted_at', 'bigint')
        .execute();
      await db.schema
        .createIndex('tracking_model_experiment')
        .on('tracking_model')
        .columns(['experiment', 'created_at', 'id'])
        .execute();
      for (const table of ['tracking_model_param', 'tracking_model_tag']) {
        await db.schema
          .createTable(table)
          .addColumn('model', 'text', (c) => c.notNull().references('tracking_model.id'))
          .addColumn('key', 'text', (c) => c.notNull())
          .addColumn('value', 'text', (c) => c.notNull())
          .addPrimaryKeyConstraint(`${table}_pk`, ['model', 'key'])
          .execute();
      }
      await db.schema
        .createTable('tracking_model_metric')
        .addColumn('model', 'text', (c) => c.notNull().references('tracking_model.id'))
        .addColumn('key', 'text', (c) => c.notNull())
        .addColumn('timestamp', 'bigint', (c) => c.notNull())
        .addColumn('step', 'bigint', (c) => c.notNull())
        .addColumn('run', 'text', (c) => c.notNull())
        .addColumn('value', 'double precision', (c) => c.notNull())
        .addColumn('special', 'text', (c) => c.notNull())
        .addColumn('dataset_name', 'text')
        .addColumn('dataset_digest', 'text')
        .addPrimaryKeyConstraint('tracking_model_metric_pk', ['model', 'key', 'timestamp', 'step', 'run'])
        .execute();
      await db.schema
        .createTable('tracking_model_link')
        .addColumn('run', 'text', (c) => c.notNull().references('tracking_run.id'))
        .addColumn('direction', 'text', (c) => c.notNull())
        .addColumn('model', 'text', (c) => c.notNull())
        .addColumn('step', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('tracking_model_link_pk', ['run', 'direction', 'model'])
        .execute();
    },
  },
];
