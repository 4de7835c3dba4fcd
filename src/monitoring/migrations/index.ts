import type { Kysely } from 'kysely';
import type { Migration } from '#platform/db';
import { type AnyTables, binaryType, type SqlDialect } from '#ports/sql';

export const monitoringMigrations: readonly Migration[] = [
  {
    name: 'monitoring/001-predictions-figures-signals',
    async up(db, dialect) {
      await createRecords(db, dialect);
      await createProgress(db);
      await createFigures(db);
      await createFindings(db);
    },
  },
  {
    name: 'monitoring/002-chosen-arms',
    async up(db) {
      await db.schema.alterTable('prediction').addColumn('chosen_by', 'text').execute();
    },
  },
  {
    name: 'monitoring/003-cached-predictions',
    async up(db) {
      await db.schema.alterTable('prediction').addColumn('cached', 'integer').execute();
    },
  },
  {
    name: 'monitoring/004-graph-nodes',
    async up(db) {
      await db.schema.alterTable('prediction').addColumn('nodes', 'text').execute();
    },
  },
  {
    name: 'monitoring/005-tensors',
    async up(db) {
      await db.schema.alterTable('prediction').addColumn('tensors', 'text').execute();
    },
  },
];

async function createRecords(db: Kysely<AnyTables>, dialect: SqlDialect): Promise<void> {
  await db.schema
    .createTable('prediction')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('endpoint', 'text', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addColumn('received_at', 'bigint', (c) => c.notNull())
    .addColumn('revision', 'text', (c) => c.notNull())
    .addColumn('arm', 'text', (c) => c.notNull())
    .addColumn('score', 'double precision', (c) => c.notNull())
    .addColumn('propensity', 'double precision', (c) => c.notNull())
    .addColumn('shadow_revision', 'text')
    .addColumn('shadow_score', 'double precision')
    .addColumn('shadow_error', 'text')
    .addColumn('fallback', 'text')
    .addColumn('numeric_inputs', binaryType(dialect), (c) => c.notNull())
    .addColumn('categories', 'text', (c) => c.notNull())
    .addColumn('entities', 'text')
    .addColumn('latency_us', 'double precision', (c) => c.notNull())
    .addColumn('rollout', 'text')
    .execute();
  await db.schema.createIndex('prediction_time').on('prediction').columns(['endpoint', 'at']).execute();
  await db.schema.createIndex('prediction_rollout').on('prediction').columns(['rollout', 'at']).execute();
  await db.schema
    .createTable('prediction_label')
    .addColumn('prediction', 'text', (c) => c.primaryKey())
    .addColumn('value', 'integer', (c) => c.notNull())
    .addColumn('at', 'bigint')
    .addColumn('known_at', 'bigint', (c) => c.notNull())
    .execute();
}

async function createProgress(db: Kysely<AnyTables>): Promise<void> {
  await db.schema
    .createTable('monitoring_watermark')
    .addColumn('endpoint', 'text', (c) => c.primaryKey())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('monitoring_progress')
    .addColumn('monitor', 'text', (c) => c.primaryKey())
    .addColumn('endpoint', 'text', (c) => c.notNull())
    .addColumn('window_ms', 'bigint', (c) => c.notNull())
    .addColumn('inputs_until', 'bigint', (c) => c.notNull())
    .addColumn('quality_until', 'bigint', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('monitoring_reopened')
    .addColumn('monitor', 'text', (c) => c.notNull())
    .addColumn('window_start', 'bigint', (c) => c.notNull())
    .addColumn('mark', 'bigint', (c) => c.notNull())
    .addColumn('by_predictions', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('monitoring_reopened_pk', ['monitor', 'window_start'])
    .execute();
  await db.schema
    .createTable('monitoring_rollout')
    .addColumn('rollout', 'text', (c) => c.primaryKey())
    .addColumn('endpoint', 'text', (c) => c.notNull())
    .addColumn('blocks_until', 'bigint', (c) => c.notNull())
    .execute();
}

async function createFigures(db: Kysely<AnyTables>): Promise<void> {
  await db.schema
    .createTable('window_figure')
    .addColumn('endpoint', 'text', (c) => c.notNull())
    .addColumn('monitor', 'text', (c) => c.notNull())
    .addColumn('window_start', 'bigint', (c) => c.notNull())
    .addColumn('window_ms', 'bigint', (c) => c.notNull())
    .addColumn('revision', 'text', (c) => c.notNull())
    .addColumn('metric', 'text', (c) => c.notNull())
    .addColumn('version', 'integer', (c) => c.notNull())
    .addColumn('value', 'double precision')
    .addColumn('requests', 'bigint', (c) => c.notNull())
    .addColumn('labelled', 'bigint', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('window_figure_pk', ['monitor', 'window_start', 'revision', 'metric', 'version'])
    .execute();
  await db.schema
    .createIndex('window_figure_series')
    .on('window_figure')
    .columns(['endpoint', 'metric', 'window_start'])
    .execute();
  await db.schema
    .createTable('drift_figure')
    .addColumn('endpoint', 'text', (c) => c.notNull())
    .addColumn('monitor', 'text', (c) => c.notNull())
    .addColumn('window_start', 'bigint', (c) => c.notNull())
    .addColumn('feature', 'text', (c) => c.notNull())
    .addColumn('version', 'integer', (c) => c.notNull())
    .addColumn('revision', 'text', (c) => c.notNull())
    .addColumn('value', 'double precision')
    .addColumn('threshold', 'double precision')
    .addColumn('requests', 'bigint', (c) => c.notNull())
    .addColumn('counts', 'text', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('drift_figure_pk', ['monitor', 'window_start', 'feature', 'version'])
    .execute();
}

async function createFindings(db: Kysely<AnyTables>): Promise<void> {
  await db.schema
    .createTable('monitoring_signal')
    .addColumn('monitor', 'text', (c) => c.notNull())
    .addColumn('alert', 'text', (c) => c.notNull())
    .addColumn('number', 'integer', (c) => c.notNull())
    .addColumn('endpoint', 'text', (c) => c.notNull())
    .addColumn('metric', 'text', (c) => c.notNull())
    .addColumn('feature', 'text')
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addColumn('value', 'double precision')
    .addColumn('threshold', 'double precision')
    .addColumn('windows', 'text', (c) => c.notNull())
    .addColumn('sentence', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('monitoring_signal_pk', ['monitor', 'alert', 'number'])
    .execute();
  await db.schema
    .createTable('comparison_block')
    .addColumn('rollout', 'text', (c) => c.notNull())
    .addColumn('start', 'bigint', (c) => c.notNull())
    .addColumn('endpoint', 'text', (c) => c.notNull())
    .addColumn('current_revision', 'text', (c) => c.notNull())
    .addColumn('candidate_revision', 'text', (c) => c.notNull())
    .addColumn('requests', 'bigint', (c) => c.notNull())
    .addColumn('loss_difference_sum', 'double precision', (c) => c.notNull())
    .addColumn('current_loss_sum', 'double precision', (c) => c.notNull())
    .addColumn('candidate_loss_sum', 'double precision', (c) => c.notNull())
    .addColumn('candidate_failures', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('comparison_block_pk', ['rollout', 'start'])
    .execute();
}
