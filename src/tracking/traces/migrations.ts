import type { Migration } from '#platform/db';

/** Traces of programs, with their spans and what was said of them. */
export const traceMigrations: readonly Migration[] = [
  {
    name: 'tracking/traces/001-traces',
    async up(db) {
      await db.schema
        .createTable('tracking_trace')
        .addColumn('key', 'text', (c) => c.primaryKey())
        .addColumn('project', 'text', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('experiment', 'text', (c) => c.notNull().references('tracking_experiment.id'))
        .addColumn('name', 'text')
        .addColumn('requested_at', 'bigint', (c) => c.notNull())
        .addColumn('duration', 'bigint')
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('client_request_id', 'text')
        .addColumn('request_preview', 'text')
        .addColumn('response_preview', 'text')
        .addColumn('artifact_uri', 'text', (c) => c.notNull())
        .addColumn('spans', 'integer', (c) => c.notNull())
        .addColumn('span_bytes', 'bigint', (c) => c.notNull())
        .addColumn('reported', 'integer', (c) => c.notNull())
        .addColumn('created_by', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('deleted_at', 'bigint')
        .execute();
      await db.schema
        .createIndex('tracking_trace_requested')
        .on('tracking_trace')
        .columns(['experiment', 'requested_at', 'id'])
        .execute();
      for (const table of ['tracking_trace_tag', 'tracking_trace_metadata']) {
        await db.schema
          .createTable(table)
          .addColumn('trace', 'text', (c) => c.notNull().references('tracking_trace.key'))
          .addColumn('key', 'text', (c) => c.notNull())
          .addColumn('value', 'text', (c) => c.notNull())
          .addPrimaryKeyConstraint(`${table}_pk`, ['trace', 'key'])
          .execute();
      }
    },
  },
  {
    name: 'tracking/traces/002-spans',
    async up(db) {
      await db.schema
        .createTable('tracking_span')
        .addColumn('trace', 'text', (c) => c.notNull().references('tracking_trace.key'))
        .addColumn('span', 'text', (c) => c.notNull())
        .addColumn('parent', 'text')
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('type', 'text', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('started_us', 'bigint', (c) => c.notNull())
        .addColumn('ended_us', 'bigint')
        .addColumn('attributes', 'text', (c) => c.notNull())
        .addColumn('content', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('tracking_span_pk', ['trace', 'span'])
        .execute();
    },
  },
  {
    name: 'tracking/traces/003-links',
    async up(db) {
      await db.schema
        .createTable('tracking_trace_run')
        .addColumn('trace', 'text', (c) => c.notNull().references('tracking_trace.key'))
        .addColumn('run', 'text', (c) => c.notNull().references('tracking_run.id'))
        .addPrimaryKeyConstraint('tracking_trace_run_pk', ['trace', 'run'])
        .execute();
      await db.schema.createIndex('tracking_trace_run_run').on('tracking_trace_run').column('run').execute();
      await db.schema
        .createTable('tracking_trace_prompt')
        .addColumn('trace', 'text', (c) => c.notNull().references('tracking_trace.key'))
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('version', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('tracking_trace_prompt_pk', ['trace', 'name', 'version'])
        .execute();
    },
  },
  {
    name: 'tracking/traces/004-assessments',
    async up(db) {
      await db.schema
        .createTable('tracking_assessment')
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('trace', 'text', (c) => c.notNull().references('tracking_trace.key'))
        .addColumn('position', 'integer', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('value', 'text', (c) => c.notNull())
        .addColumn('text', 'text', (c) => c.notNull())
        .addColumn('number', 'double precision')
        .addColumn('error', 'text')
        .addColumn('rationale', 'text')
        .addColumn('source_type', 'text', (c) => c.notNull())
        .addColumn('source', 'text', (c) => c.notNull())
        .addColumn('span', 'text')
        .addColumn('metadata', 'text', (c) => c.notNull())
        .addColumn('overrides', 'text')
        .addColumn('valid', 'integer', (c) => c.notNull())
        .addColumn('created_by', 'text', (c) => c.notNull())
        .addColumn('created_at', 'bigint', (c) => c.notNull())
        .addColumn('updated_at', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('tracking_assessment_pk', ['trace', 'id'])
        .execute();
      await db.schema
        .createIndex('tracking_assessment_name')
        .on('tracking_assessment')
        .columns(['trace', 'kind', 'name'])
        .execute();
    },
  },
];
