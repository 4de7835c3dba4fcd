import type { Migration } from '#platform/db';

export const datasetMigrations: readonly Migration[] = [
  {
    name: 'datasets/001-batches-and-commits',
    async up(db) {
      await db.schema
        .createTable('dataset_schema')
        .addColumn('dataset', 'text', (c) => c.primaryKey())
        .addColumn('columns', 'text', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('dataset_batch')
        .addColumn('dataset', 'text', (c) => c.notNull())
        .addColumn('batch', 'text', (c) => c.notNull())
        .addColumn('seq', 'bigint', (c) => c.notNull())
        .addColumn('content', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('commit_number', 'bigint')
        .addColumn('held', 'text')
        .addColumn('report', 'text', (c) => c.notNull())
        .addColumn('received_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('dataset_batch_pk', ['dataset', 'batch'])
        .execute();
      await db.schema
        .createIndex('dataset_batch_seq')
        .unique()
        .on('dataset_batch')
        .columns(['dataset', 'seq'])
        .execute();
      await db.schema
        .createTable('dataset_commit')
        .addColumn('dataset', 'text', (c) => c.notNull())
        .addColumn('commit_number', 'bigint', (c) => c.notNull())
        .addColumn('batch', 'text', (c) => c.notNull())
        .addColumn('segment', 'text', (c) => c.notNull())
        .addColumn('row_count', 'bigint', (c) => c.notNull())
        .addColumn('min_at', 'bigint', (c) => c.notNull())
        .addColumn('max_at', 'bigint', (c) => c.notNull())
        .addColumn('min_known_at', 'bigint', (c) => c.notNull())
        .addColumn('max_known_at', 'bigint', (c) => c.notNull())
        .addColumn('committed_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('dataset_commit_pk', ['dataset', 'commit_number'])
        .execute();
    },
  },
];
