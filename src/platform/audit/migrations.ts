import type { Migration } from '#platform/db';
import { binaryType } from '#ports/sql';

export const auditMigrations: readonly Migration[] = [
  {
    name: 'audit/001-tree',
    async up(db, dialect) {
      await db.schema
        .createTable('audit_tree')
        .addColumn('log', 'text', (c) => c.primaryKey())
        .addColumn('size', 'bigint', (c) => c.notNull())
        .addColumn('head', 'text', (c) => c.notNull())
        .addColumn('checkpoint', 'text', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('audit_tile')
        .addColumn('log', 'text', (c) => c.notNull())
        .addColumn('level', 'integer', (c) => c.notNull())
        .addColumn('tile', 'bigint', (c) => c.notNull())
        .addColumn('hashes', binaryType(dialect), (c) => c.notNull())
        .addPrimaryKeyConstraint('audit_tile_pk', ['log', 'level', 'tile'])
        .execute();
      await db.schema
        .createTable('audit_part')
        .addColumn('whole', 'text', (c) => c.notNull())
        .addColumn('seq', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('audit_part_pk', ['whole', 'seq'])
        .execute();
    },
  },
];
