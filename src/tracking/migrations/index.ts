import type { Migration } from '#platform/db';
import { artifactMigrations } from '../artifacts/index.ts';
import { evaluationMigrations } from '../evaluation/migrations.ts';
import { importMigrations } from '../imports/migrations.ts';
import { issueMigrations } from '../issues/migrations.ts';
import { traceMigrations } from '../traces/migrations.ts';
import { lineageMigrations } from './lineage.ts';
import { mlflowMigrations } from './mlflow.ts';
import { purgeMigrations } from './purged.ts';

export const trackingMigrations: readonly Migration[] = [
  {
    name: 'tracking/001-experiments-and-runs',
    async up(db) {
      await db.schema
        .createTable('tracking_experiment')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('number', 'bigint', (c) => c.notNull().unique())
        .addColumn('name', 'text', (c) => c.notNull().unique())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('created_by', 'text', (c) => c.notNull())
        .addColumn('deleted_at', 'bigint')
        .execute();
      await db.schema
        .createTable('tracking_run')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('experiment', 'text', (c) => c.notNull().references('tracking_experiment.id'))
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('started_by', 'text', (c) => c.notNull())
        .addColumn('started_at', 'bigint', (c) => c.notNull())
        .addColumn('ended_at', 'bigint')
        .addColumn('source_run', 'text')
        .addColumn('source_step', 'text')
        .addColumn('cause', 'text', (c) => c.notNull())
        .addColumn('deleted_at', 'bigint')
        .addColumn('deleted_with_experiment', 'integer', (c) => c.notNull().defaultTo(0))
        .execute();
      const index = (name: string, columns: string[]) =>
        db.schema.createIndex(name).on('tracking_run').columns(columns).execute();
      await index('tracking_run_started', ['started_at', 'id']);
      await index('tracking_run_experiment', ['experiment', 'started_at', 'id']);
      await index('tracking_run_source', ['source_run']);
    },
  },
  {
    name: 'tracking/002-logged',
    async up(db) {
      const keyed = (table: string) =>
        db.schema
          .createTable(table)
          .addColumn('run', 'text', (c) => c.notNull().references('tracking_run.id'))
          .addColumn('key', 'text', (c) => c.notNull());
      await keyed('tracking_param')
        .addColumn('value', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('tracking_param_pk', ['run', 'key'])
        .execute();
      await keyed('tracking_tag')
        .addColumn('value', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('tracking_tag_pk', ['run', 'key'])
        .execute();
      const point = (table: string) =>
        keyed(table)
          .addColumn('step', 'bigint', (c) => c.notNull())
          .addColumn('timestamp', 'bigint', (c) => c.notNull())
          .addColumn('value', 'double precision', (c) => c.notNull())
          .addColumn('special', 'text', (c) => c.notNull());
      await point('tracking_metric')
        .addPrimaryKeyConstraint('tracking_metric_pk', ['run', 'key', 'step', 'timestamp', 'value', 'special'])
        .execute();
      await point('tracking_latest_metric')
        .addPrimaryKeyConstraint('tracking_latest_metric_pk', ['run', 'key'])
        .execute();
    },
  },
  {
    name: 'tracking/003-artifacts',
    async up(db) {
      await db.schema
        .createTable('tracking_artifact')
        .addColumn('run', 'text', (c) => c.notNull().references('tracking_run.id'))
        .addColumn('path', 'text', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('bytes', 'bigint', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('tracking_artifact_pk', ['run', 'path'])
        .execute();
      await db.schema.createIndex('tracking_artifact_digest').on('tracking_artifact').column('digest').execute();
    },
  },
  ...artifactMigrations,
  ...mlflowMigrations,
  ...lineageMigrations,
  ...traceMigrations,
  ...evaluationMigrations,
  ...importMigrations,
  ...purgeMigrations,
  ...issueMigrations,
];
