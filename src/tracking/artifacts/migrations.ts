import { sql } from 'kysely';
import type { Migration } from '#platform/db';

export const artifactMigrations: readonly Migration[] = [
  {
    name: 'tracking/artifacts/001-owners',
    async up(db, dialect) {
      // Compared byte by byte in both dialects, so that the files below a folder are one range of the key.
      const path = dialect === 'postgres' ? sql`text collate "C"` : sql`text`;
      await db.schema
        .createTable('tracking_file')
        .addColumn('owner_kind', 'text', (c) => c.notNull())
        .addColumn('owner', 'text', (c) => c.notNull())
        .addColumn('path', path, (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('bytes', 'bigint', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('tracking_file_pk', ['owner_kind', 'owner', 'path'])
        .execute();
      await db.schema.createIndex('tracking_file_digest').on('tracking_file').column('digest').execute();
      await db
        .insertInto('tracking_file')
        .columns(['owner_kind', 'owner', 'path', 'digest', 'bytes', 'created_at'])
        .expression((e) =>
          e
            .selectFrom('tracking_artifact')
            .select([sql.lit('run').as('owner_kind'), 'run', 'path', 'digest', 'bytes', 'created_at']),
        )
        .execute();
      await db.schema.dropTable('tracking_artifact').execute();
    },
  },
  {
    name: 'tracking/artifacts/002-uploads',
    async up(db) {
      await db.schema
        .createTable('tracking_upload')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('owner_kind', 'text', (c) => c.notNull())
        .addColumn('owner', 'text', (c) => c.notNull())
        .addColumn('path', 'text', (c) => c.notNull())
        .addColumn('parts', 'integer', (c) => c.notNull())
        .addColumn('key_digest', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('completed_at', 'bigint')
        .execute();
      await db.schema.createIndex('tracking_upload_created').on('tracking_upload').column('created_at').execute();
      await db.schema
        .createTable('tracking_upload_part')
        .addColumn('upload', 'text', (c) => c.notNull().references('tracking_upload.id'))
        .addColumn('part', 'integer', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('bytes', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('tracking_upload_part_pk', ['upload', 'part'])
        .execute();
    },
  },
];
