import { createReadStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openSqlite } from '#adapters/sql/sqlite';
import { realSystem } from '#core/system';
import { createDatasets, datasetKinds, datasetMigrations } from '#datasets';
import { Columnar, quoted } from '#platform/columnar';
import { applyMigrations, type Context, Database, platformMigrations } from '#platform/db';
import { createLogger, createMetrics } from '#platform/observe';
import { Resources } from '#platform/resources';
import type { Rate } from './rates.ts';

const ROWS = 200_000;
const CONTEXT: Context = { actor: { id: 'user:bench', roles: ['admin'] }, action: 'dataset.commit' };

const READINGS = {
  kind: 'dataset',
  name: 'readings',
  spec: {
    columns: { taken: 'timestamp', sensor: 'string', value: 'number', humidity: 'number' },
    eventTime: 'taken',
    derive: { hot: 'value > 30' },
    expectations: [
      { name: 'possible value', row: 'value between -100 and 100' },
      { name: 'no duplicates', unique: ['taken', 'sensor'] },
      { name: 'few zeros', share: 'value = 0', max: 0.5, by: 'sensor', otherwise: 'quarantine-group' },
    ],
  },
};

/**
 * Rows a second of Parquet batches: received, validated against three expectations, ordered, written as a segment,
 * recorded. The anchor reads such a batch in the same engine and writes it in order; it checks and records nothing.
 */
export async function datasetRates(folder: string, seconds: number): Promise<Rate[]> {
  const [root, scratchDir] = [join(folder, 'blobs'), join(folder, 'scratch')];
  mkdirSync(join(folder, 'sent'));
  const blobs = await openFsBlobStore({ root });
  const columnar = await Columnar.open({ directories: [root], scratchDir });
  const store = openSqlite(join(folder, 'datasets.db'));
  await applyMigrations(store, [...platformMigrations, ...datasetMigrations]);
  const system = realSystem();
  const db = new Database(store, system);
  const resources = new Resources(db, datasetKinds);
  const observed = { logger: createLogger('bench', 'fatal'), metrics: createMetrics('bench') };
  const datasets = createDatasets({ db, resources, system, ...observed, blobs, columnar, scratchDir });
  await resources.apply({ ...CONTEXT, action: 'resource.apply' }, [READINGS]);
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    const fileOf = (batch: number): string => join(folder, 'sent', `${batch}.parquet`);
    const write = (batch: number) => connection.run(`copy (${readings(batch)}) to ${quoted(fileOf(batch))}`);
    const [ours, bare] = [
      { rows: 0, ms: 0 },
      { rows: 0, ms: 0 },
    ];
    for (let batch = 0; ours.ms + bare.ms < seconds * 1_000 || batch < 3; batch++) {
      await write(batch);
      let startedAt = performance.now();
      const upload = { contentType: 'application/vnd.apache.parquet', bytes: createReadStream(fileOf(batch)) };
      const { report } = await datasets.commit(CONTEXT, { dataset: 'readings', batch: `b${batch}` }, upload);
      if (report.accepted !== ROWS) throw new Error(`${report.accepted} of ${ROWS} rows were accepted`);
      count(ours, batch, performance.now() - startedAt);
      startedAt = performance.now();
      const ordered = `select * from read_parquet(${quoted(fileOf(batch))}) order by taken`;
      await connection.run(`copy (${ordered}) to ${quoted(join(folder, 'bare.parquet'))} (compression zstd)`);
      count(bare, batch, performance.now() - startedAt);
    }
    const [perSecond, anchorPerSecond] = [ours, bare].map(({ rows, ms }) => Math.round(rows / (ms / 1_000))) as [
      number,
      number,
    ];
    const share = Math.round((perSecond / anchorPerSecond) * 1_000) / 1_000;
    return [{ what: `dataset rows committed (batches of ${ROWS})`, perSecond, anchorPerSecond, share }];
  } finally {
    connection.closeSync();
    instance.closeSync();
    await columnar.close();
    await db.close();
  }
}

/** The first batch warms up. */
function count(sum: { rows: number; ms: number }, batch: number, ms: number): void {
  if (batch === 0) return;
  sum.rows += ROWS;
  sum.ms += ms;
}

/** A reading a second of each of a hundred sensors, in no order. */
function readings(batch: number): string {
  return `select timestamp '2001-01-01' + to_seconds(${batch} * ${ROWS} + i // 100) as taken,
      'sensor-' || (i % 100) as sensor, ((hash(i + ${batch}) % 10000) / 100.0 - 50)::double as value,
      ((hash(i * 7) % 100) / 100.0)::double as humidity
    from range(${ROWS}) as rows(i) order by hash(i)`;
}
