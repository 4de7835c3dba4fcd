import type { Migration } from '#platform/db';

/** Each index with the column that few steps have a value in, or only for a while. */
const NARROWED = [
  ['pipeline_step_ready', ['status', 'ready_at'], 'ready_at'],
  ['pipeline_step_queue', ['status', 'class', 'rank', 'ready_at', 'run', 'position'], 'ready_at'],
  ['pipeline_step_key', ['cache_key', 'status'], 'cache_key'],
  ['pipeline_step_pool', ['pool', 'status'], 'pool'],
  ['pipeline_step_deadline', ['status', 'deadline_at'], 'deadline_at'],
] as const;

/**
 * Each change of a step's status is written to every index that has it. Steps without a value are in none of these any
 * more: what waits for other steps is not read over on the way to what is ready.
 */
export const indexMigrations: readonly Migration[] = [
  {
    name: 'pipelines/023-narrow-indexes',
    async up(db) {
      for (const [name, columns, column] of NARROWED) {
        await db.schema.dropIndex(name).execute();
        await db.schema
          .createIndex(name)
          .on('pipeline_step')
          .columns([...columns])
          .where(column, 'is not', null)
          .execute();
      }
    },
  },
  {
    name: 'pipelines/024-dependants',
    // Of the steps of earlier runs they are not known, so those are read as a whole.
    async up(db) {
      await db.schema.alterTable('pipeline_step').addColumn('dependants', 'text').execute();
    },
  },
];
