import type { Migration } from '#platform/db';

export const servingMigrations: readonly Migration[] = [
  {
    name: 'serving/001-endpoints-and-rollouts',
    async up(db) {
      await db.schema
        .createTable('serving_endpoint')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('spec', 'text', (c) => c.notNull())
        .addColumn('current_version', 'bigint')
        .addColumn('current_since', 'bigint')
        .addColumn('locked', 'integer', (c) => c.notNull())
        .addColumn('lock_reason', 'text')
        .addColumn('features', 'text')
        .execute();
      await db.schema
        .createTable('serving_revision')
        .addColumn('model', 'text', (c) => c.notNull())
        .addColumn('version', 'bigint', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('signature', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('serving_revision_pk', ['model', 'version'])
        .execute();
      await db.schema
        .createTable('serving_rollout')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('endpoint', 'text', (c) => c.notNull())
        .addColumn('number', 'bigint', (c) => c.notNull())
        .addColumn('model', 'text', (c) => c.notNull())
        .addColumn('current_version', 'bigint')
        .addColumn('candidate_version', 'bigint', (c) => c.notNull())
        .addColumn('stage', 'text', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('plan', 'text', (c) => c.notNull())
        .addColumn('reason', 'text')
        .addColumn('cause', 'text', (c) => c.notNull())
        .addColumn('started_at', 'bigint', (c) => c.notNull())
        .addColumn('finished_at', 'bigint')
        // The endpoint while the rollout is active, null otherwise: unique, so that no endpoint has two.
        .addColumn('active_on', 'text', (c) => c.unique())
        .execute();
      await db.schema
        .createIndex('serving_rollout_number')
        .unique()
        .on('serving_rollout')
        .columns(['endpoint', 'number'])
        .execute();
      await db.schema
        .createTable('serving_decision')
        .addColumn('rollout', 'text', (c) => c.notNull())
        .addColumn('number', 'integer', (c) => c.notNull())
        .addColumn('decision', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('serving_decision_pk', ['rollout', 'number'])
        .execute();
      await db.schema
        .createTable('serving_block')
        .addColumn('rollout', 'text', (c) => c.notNull())
        .addColumn('start', 'bigint', (c) => c.notNull())
        .addColumn('block', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('serving_block_pk', ['rollout', 'start'])
        .execute();
      await db.schema
        .createTable('serving_routing')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('version', 'bigint', (c) => c.notNull())
        .execute();
      await db.insertInto('serving_routing').values({ id: 1, version: 0 }).execute();
    },
  },
  {
    name: 'serving/002-live-rollouts',
    async up(db) {
      await db.schema
        .createTable('serving_observation')
        .addColumn('rollout', 'text', (c) => c.notNull())
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('source', 'text', (c) => c.notNull())
        .addColumn('start', 'bigint', (c) => c.notNull())
        .addColumn('observation', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('serving_observation_pk', ['rollout', 'kind', 'source', 'start'])
        .execute();
      await db.schema
        .createIndex('serving_observation_start')
        .on('serving_observation')
        .columns(['rollout', 'start'])
        .execute();
      await db.schema
        .createTable('serving_bundle')
        .addColumn('rollout', 'text', (c) => c.primaryKey())
        .addColumn('endpoint', 'text', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('bundle', 'text', (c) => c.notNull())
        .execute();
    },
  },
  {
    name: 'serving/003-golden-requests',
    async up(db) {
      await db.schema
        .createTable('serving_golden')
        .addColumn('endpoint', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('inputs', 'text', (c) => c.notNull())
        .addColumn('expected', 'double precision', (c) => c.notNull())
        .addColumn('source', 'text', (c) => c.notNull())
        .addColumn('revision', 'text')
        .addColumn('recorded_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('serving_golden_pk', ['endpoint', 'name'])
        .execute();
    },
  },
  {
    name: 'serving/004-parts-of-graphs',
    async up(db) {
      await db.schema.alterTable('serving_revision').addColumn('parts', 'text').execute();
    },
  },
  {
    name: 'serving/005-revisions-of-tensors',
    async up(db) {
      await db.schema.alterTable('serving_revision').addColumn('tensors', 'text').execute();
      await db.schema.alterTable('serving_golden').addColumn('tensors', 'text').execute();
    },
  },
];
