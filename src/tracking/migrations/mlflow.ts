import { type Kysely, sql } from 'kysely';
import type { Migration } from '#platform/db';
import type { AnyTables, SqlDialect } from '#ports/sql';

/** What MLflow knows of experiments and runs beyond what Kedge's own runs needed. */
export const mlflowMigrations: readonly Migration[] = [
  {
    name: 'tracking/004-experiments-of-projects',
    async up(db, dialect) {
      if (dialect === 'sqlite') await rebuildExperiments(db);
      else await extendExperiments(db);
      await db.schema
        .createIndex('tracking_experiment_name')
        .on('tracking_experiment')
        .columns(['project', 'name'])
        .unique()
        .execute();
      await addDefaultExperiment(db);
      await db.schema
        .createTable('tracking_experiment_tag')
        .addColumn('experiment', 'text', (c) => c.notNull().references('tracking_experiment.id'))
        .addColumn('key', 'text', (c) => c.notNull())
        .addColumn('value', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('tracking_experiment_tag_pk', ['experiment', 'key'])
        .execute();
    },
  },
  {
    name: 'tracking/005-run-columns',
    async up(db) {
      for (const column of ['user_id', 'artifact_uri']) {
        await db.schema
          .alterTable('tracking_run')
          .addColumn(column, 'text', (c) => c.notNull().defaultTo(''))
          .execute();
      }
      await db
        .updateTable('tracking_run')
        .set({
          user_id: sql.ref('started_by'),
          artifact_uri: sql`'mlflow-artifacts:/' || experiment || '/' || id || '/artifacts'`,
        })
        .execute();
    },
  },
  {
    name: 'tracking/006-metric-series',
    async up(db, dialect) {
      await createSeries(db, dialect);
      await copyMetrics(db);
      await db.schema.dropTable('tracking_latest_metric').execute();
      await db.schema.dropTable('tracking_metric').execute();
    },
  },
];

const EXPERIMENT_COLUMNS = ['id', 'number', 'name', 'created_at', 'created_by', 'deleted_at'];

/** SQLite cannot drop the unique constraint on the name: the table is laid anew, with the checks put off until then. */
async function rebuildExperiments(db: Kysely<AnyTables>): Promise<void> {
  await sql`pragma defer_foreign_keys = on`.execute(db);
  await sql`create temporary table experiment_copy as select * from tracking_experiment`.execute(db);
  await db.schema.dropTable('tracking_experiment').execute();
  await db.schema
    .createTable('tracking_experiment')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('number', 'bigint', (c) => c.notNull().unique())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('created_by', 'text', (c) => c.notNull())
    .addColumn('deleted_at', 'bigint')
    .addColumn('project', 'text', (c) => c.notNull().defaultTo('default'))
    .addColumn('artifact_location', 'text', (c) => c.notNull().defaultTo(''))
    .addColumn('updated_at', 'bigint', (c) => c.notNull().defaultTo(0))
    .execute();
  const columns = sql.join(EXPERIMENT_COLUMNS.map((column) => sql.ref(column)));
  await sql`insert into tracking_experiment (${columns}) select ${columns} from experiment_copy`.execute(db);
  await sql`drop table experiment_copy`.execute(db);
  await fillExperiments(db);
}

async function extendExperiments(db: Kysely<AnyTables>): Promise<void> {
  await db.schema.alterTable('tracking_experiment').dropConstraint('tracking_experiment_name_key').execute();
  await db.schema
    .alterTable('tracking_experiment')
    .addColumn('project', 'text', (c) => c.notNull().defaultTo('default'))
    .addColumn('artifact_location', 'text', (c) => c.notNull().defaultTo(''))
    .addColumn('updated_at', 'bigint', (c) => c.notNull().defaultTo(0))
    .execute();
  await fillExperiments(db);
}

async function fillExperiments(db: Kysely<AnyTables>): Promise<void> {
  await db
    .updateTable('tracking_experiment')
    .set({ artifact_location: sql`'mlflow-artifacts:/' || id`, updated_at: sql.ref('created_at') })
    .execute();
}

/** MLflow's clients log to experiment 0 unless told another. It keeps its number where somebody has taken the name. */
async function addDefaultExperiment(db: Kysely<AnyTables>): Promise<void> {
  const taken = await db.selectFrom('tracking_experiment').select('id').where('name', '=', 'Default').execute();
  await db
    .insertInto('tracking_experiment')
    .values({
      id: '0',
      number: 0,
      name: taken.length === 0 ? 'Default' : 'Default (0)',
      created_at: 0,
      created_by: 'system:kedge',
      deleted_at: null,
      project: 'default',
      artifact_location: 'mlflow-artifacts:/0',
      updated_at: 0,
    })
    .execute();
}

/**
 * A series is one metric of one run, with its latest point in the columns that searches compare and order by. Its
 * points lie together under a number instead of under two texts, in SQLite within the key itself.
 */
async function createSeries(db: Kysely<AnyTables>, dialect: SqlDialect): Promise<void> {
  await db.schema
    .createTable('tracking_series')
    .addColumn('id', dialect === 'sqlite' ? 'integer' : 'bigint', (c) => c.primaryKey())
    .addColumn('run', 'text', (c) => c.notNull().references('tracking_run.id'))
    .addColumn('experiment', 'text', (c) => c.notNull())
    .addColumn('key', 'text', (c) => c.notNull())
    .addColumn('step', 'bigint', (c) => c.notNull())
    .addColumn('timestamp', 'bigint', (c) => c.notNull())
    .addColumn('value', 'double precision', (c) => c.notNull())
    .addColumn('special', 'text', (c) => c.notNull())
    .addUniqueConstraint('tracking_series_run', ['run', 'key'])
    .execute();
  await db.schema
    .createIndex('tracking_series_value')
    .on('tracking_series')
    .columns(['experiment', 'key', 'value', 'run', 'special'])
    .execute();
  const points = db.schema
    .createTable('tracking_point')
    .addColumn('series', 'bigint', (c) => c.notNull())
    .addColumn('timestamp', 'bigint', (c) => c.notNull())
    .addColumn('step', 'bigint', (c) => c.notNull())
    .addColumn('value', 'double precision', (c) => c.notNull())
    .addColumn('special', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('tracking_point_pk', ['series', 'timestamp', 'step', 'value', 'special']);
  await (dialect === 'sqlite' ? points.modifyEnd(sql`without rowid`) : points).execute();
}

async function copyMetrics(db: Kysely<AnyTables>): Promise<void> {
  await sql`
    insert into tracking_series (id, run, experiment, key, step, timestamp, value, special)
    select row_number() over (order by m.run, m.key),
      m.run, r.experiment, m.key, m.step, m.timestamp, m.value, m.special
    from tracking_latest_metric m join tracking_run r on r.id = m.run`.execute(db);
  await sql`
    insert into tracking_point (series, timestamp, step, value, special)
    select s.id, m.timestamp, m.step, m.value, m.special
    from tracking_metric m join tracking_series s on s.run = m.run and s.key = m.key`.execute(db);
}
