/**
 * How late schedules tick: many that tick each minute, in a control plane in this process on SQLite (a file) and, where
 * KEDGE_TEST_POSTGRES_URL names one, on PostgreSQL. Late is the time from the tick to the commit of the run that it
 * starts. The pipeline has one step, which no worker takes.
 *
 *   node tools/run.mjs bench/pipelines/schedules.ts [schedules] [minutes]      1,000 and 3 unless told
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openPostgres } from '#adapters/sql/postgres';
import { openSqlite } from '#adapters/sql/sqlite';
import { realSystem } from '#core/system';
import { createPipelines, pipelineKinds, pipelineMigrations } from '#pipelines';
import { applyMigrations, Database, platformMigrations } from '#platform/db';
import { startJobs } from '#platform/domain';
import { createLogger, createMetrics } from '#platform/observe';
import { Resources } from '#platform/resources';
import type { SqlStore } from '#ports/sql';

const [count, minutes] = [Number(process.argv[2] ?? 1_000), Number(process.argv[3] ?? 3)];
const user = { actor: { id: 'user:bench', roles: ['admin'] }, action: 'resource.apply' };
const MINUTE_MS = 60_000;
/** Ticks of the last minute have this long to be decided. */
const SETTLE_MS = 30_000;
const SCHEMA = `bench_${process.pid}`;

async function measure(store: SqlStore, root: string): Promise<void> {
  const system = realSystem();
  await applyMigrations(store, [...platformMigrations, ...pipelineMigrations]);
  const db = new Database(store, system);
  const resources = new Resources(db, pipelineKinds);
  const blobs = await openFsBlobStore({ root: join(root, `blobs-${store.dialect}`) });
  const [logger, metrics] = [createLogger('bench', 'fatal'), createMetrics('bench')];
  const pipelines = createPipelines({ db, resources, system, logger, metrics, blobs });
  const steps = [{ name: 'a', command: ['/bin/true'], cache: false }];
  await resources.apply(user, [{ kind: 'pipeline', name: 'p', spec: { steps } }]);
  for (let from = 0; from < count; from += 100) {
    const some = Array.from({ length: Math.min(100, count - from) }, (_, i) => ({
      ...{ kind: 'schedule', name: `s${from + i}` },
      spec: { pipeline: 'p', cron: '* * * * *', timeZone: 'UTC', overlap: 'allow' },
    }));
    await resources.apply(user, some);
  }
  const beganAt = Date.now();
  const stopJobs = startJobs(pipelines.parts.jobs, { system, logger });
  const endsAt = (Math.floor(beganAt / MINUTE_MS) + minutes) * MINUTE_MS;
  await pause(endsAt - beganAt + SETTLE_MS);
  await stopJobs();
  const rows = await store.reader
    .selectFrom('pipeline_run')
    .select(['cause', 'created_at'])
    .where('created_at', '>', beganAt)
    .execute();
  const lateMs = (rows as { cause: string; created_at: number }[])
    .map(({ cause, created_at }) => Number(created_at) - Number(JSON.parse(cause).at))
    .sort((a, b) => a - b);
  const at = (share: number): string => `${lateMs[Math.min(lateMs.length - 1, Math.floor(share * lateMs.length))]} ms`;
  const late = lateMs.length === 0 ? 'none ticked' : `late p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}`;
  process.stdout.write(`${store.dialect}: ${lateMs.length} ticks of ${count * minutes} expected; ${late}\n`);
  if (store.dialect === 'postgres') await store.reader.schema.dropSchema(SCHEMA).cascade().execute();
  await db.close();
}

const root = await mkdtemp(join(tmpdir(), 'kedge-bench-schedules-'));
await measure(openSqlite(join(root, 'bench.sqlite')), root);
const url = process.env['KEDGE_TEST_POSTGRES_URL'];
if (url) await measure(await openPostgres(url, { schema: SCHEMA, connectionsMax: 4 }), root);
await rm(root, { recursive: true, force: true });
