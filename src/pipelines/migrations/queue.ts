import type { Kysely } from 'kysely';
import { canonicalJson } from '#core/json';
import type { Migration } from '#platform/db';
import type { AnyTables } from '#ports/sql';

export const queueMigrations: readonly Migration[] = [
  {
    name: 'pipelines/005-queue',
    async up(db) {
      for (const [column, type] of [
        ['lane', 'text'],
        ['admitted_at', 'bigint'],
        ['paused_at', 'bigint'],
        ['deadline_at', 'bigint'],
        ['origin', 'text'],
      ] as const) {
        await db.schema.alterTable('pipeline_run').addColumn(column, type).execute();
      }
      await db.schema
        .alterTable('pipeline_run')
        .addColumn('priority', 'integer', (c) => c.notNull().defaultTo(0))
        .execute();
      for (const [column, type] of [
        ['class', 'text'],
        ['class_paused', 'text'],
        ['pool', 'text'],
      ] as const) {
        await db.schema.alterTable('pipeline_step').addColumn(column, type).execute();
      }
      for (const column of ['rank', 'pool_slots', 'on_failure'] as const) {
        await db.schema
          .alterTable('pipeline_step')
          .addColumn(column, 'integer', (c) => c.notNull().defaultTo(0))
          .execute();
      }
      await db.schema
        .alterTable('pipeline_step')
        .addColumn('resources', 'text', (c) => c.notNull().defaultTo('{}'))
        .execute();
      await classify(db);
      await db.schema
        .createIndex('pipeline_step_class')
        .on('pipeline_step')
        .columns(['status', 'class', 'rank', 'ready_at'])
        .execute();
      await db.schema
        .createIndex('pipeline_run_admission')
        .on('pipeline_run')
        .columns(['pipeline', 'status', 'admitted_at'])
        .execute();
      await db.schema.createIndex('pipeline_step_pool').on('pipeline_step').columns(['pool', 'status']).execute();
    },
  },
];

/** Runs of before this migration were admitted when they were made, and ask for nothing but labels. */
async function classify(db: Kysely<AnyTables>): Promise<void> {
  await db
    .updateTable('pipeline_run')
    .set((e) => ({ admitted_at: e.ref('created_at') }))
    .execute();
  const rows = await db
    .selectFrom('pipeline_step')
    .innerJoin('pipeline_run', 'pipeline_run.id', 'pipeline_step.run')
    .select(['pipeline_step.run as run', 'labels', 'project'])
    .distinct()
    .where('pipeline_step.status', 'in', ['queued', 'running'])
    .execute();
  for (const { run, labels, project } of rows as { run: string; labels: string; project: string | null }[]) {
    const text = canonicalJson({ labels: JSON.parse(labels), resources: {}, pool: null, project });
    await db
      .updateTable('pipeline_step')
      .set({ class: text })
      .where('run', '=', run)
      .where('labels', '=', labels)
      .execute();
  }
}
