import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openLmdbKeyValue } from '#adapters/kv/lmdb';
import { openSqlite } from '#adapters/sql/sqlite';
import { realSystem } from '#core/system';
import { createDatasets, datasetKinds, datasetMigrations } from '#datasets';
import { createFeatures, featureKinds } from '#features';
import { Columnar } from '#platform/columnar';
import { applyMigrations, Database, platformMigrations } from '#platform/db';
import { createLogger, createMetrics } from '#platform/observe';
import { Resources } from '#platform/resources';
import { FlightSource } from '../examples/flights/demo/source.ts';
const { default: project } = await import('../examples/flights/kedge.ts');
const root = await mkdtemp(join(tmpdir(), 'kh-'));
const t = () => performance.now();
const system = realSystem();
const sql = openSqlite(join(root, 'db.sqlite'));
await applyMigrations(sql, [...platformMigrations, ...datasetMigrations]);
const db = new Database(sql, system);
const resources = new Resources(db, [...datasetKinds, ...featureKinds]);
const blobs = await openFsBlobStore({ root: join(root, 'blobs') });
const scratchDir = join(root, 'scratch');
const columnar = await Columnar.open({ directories: [join(root, 'blobs')], scratchDir });
const keyValue = await openLmdbKeyValue({ path: join(root, 'f.lmdb') });
const deps = { db, resources, system, logger: createLogger('x', 'fatal'), metrics: createMetrics('x'), blobs, columnar, scratchDir, keyValue };
const datasets = createDatasets(deps);
const features = createFeatures({ ...deps, datasets });
const ctx = { actor: { id: 'u', roles: ['admin'] }, action: 'x' };
const drafts = project.resources.filter((r: any) => r.kind === 'dataset' || (r.kind === 'feature-view' && !r.name.startsWith('early')));
await resources.apply(ctx, JSON.parse(JSON.stringify(drafts)));
if (process.env.PROFILE_SQL) {
  const proto = Object.getPrototypeOf(await new Promise((r) => columnar.exclusive(async (s) => r(s as any))));
  for (const m of ['run', 'rows', 'query']) { const o = proto[m]; proto[m] = async function (q: string) { const a = t(); const r = await o.call(this, q); const d = t() - a; if (d > 3 && (globalThis as any).on) console.log(m, d.toFixed(1), q.replace(/\s+/g, ' ').slice(0, 140)); return r; }; }
}
const source = await FlightSource.open('node_modules/vega-datasets/data', { scratchDir: root, seed: 1 });
const consumer = features.parts.consumers[0]!;
const DAY = 86400000; const start = Date.UTC(2001, 0, 1, 12);
const days = Number(process.argv[2] ?? 12);
const commits: number[] = [], mats: number[] = [];
for (let d = 0; d < days; d++) {
  const bytes = (await source.reports(start + d * DAY, start + (d + 1) * DAY))!;
  (globalThis as any).on = d === days - 1;
  const a = t();
  const view = await datasets.commit(ctx, { dataset: 'flights', batch: `d${d}` }, { contentType: 'application/vnd.apache.parquet', bytes: (async function* () { yield bytes; })() });
  const b = t();
  const row = await db.reader.selectFrom('event').selectAll().where('type', '=', 'dataset.committed').orderBy('seq', 'desc').limit(1).executeTakeFirstOrThrow();
  await consumer.effect!({ ...row, data: JSON.parse(row['data']) } as any);
  const c = t();
  commits.push(b - a); mats.push(c - b);
  if (d === days - 1) console.log('rows', view.report.rows, view.report.held);
}
const med = (x: number[]) => x.slice(2).sort((a, b) => a - b)[Math.floor((x.length - 2) / 2)]!.toFixed(0);
console.log('commit ms', commits.map((x) => x.toFixed(0)).join(' '), '| median', med(commits));
console.log('materialize ms', mats.map((x) => x.toFixed(0)).join(' '), '| median', med(mats));
source.close(); await columnar.close(); await keyValue.close(); await db.close(); await rm(root, { recursive: true });
