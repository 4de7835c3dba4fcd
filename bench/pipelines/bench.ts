/**
 * What the orchestrator itself costs a step: from the lease to the committed end, with every transition durable, and
 * without starting processes. A chain of no-op steps, and a fan-out of light units, on SQLite (a file) and, where
 * KEDGE_TEST_POSTGRES_URL names one, on PostgreSQL. The anchor is a transaction that writes one row to that database.
 * Each report asks for the next attempt of its slot, as a worker does. A step is two transitions: its lease, its end.
 *
 *   node bench/pipelines/bench.ts [steps] [units]      100 and 1,000 unless told
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openPostgres } from '#adapters/sql/postgres';
import { openSqlite } from '#adapters/sql/sqlite';
import { realSystem } from '#core/system';
import { createPipelines, pipelineKinds, pipelineMigrations } from '#pipelines';
import type { workContract } from '#pipelines/contract';
import { fullAccess } from '#platform/access';
import { applyMigrations, Database, platformMigrations } from '#platform/db';
import { createLogger, createMetrics } from '#platform/observe';
import { Resources } from '#platform/resources';
import type { SqlStore } from '#ports/sql';

const [steps, units] = [Number(process.argv[2] ?? 100), Number(process.argv[3] ?? 1_000)];
const user = { actor: { id: 'user:bench', roles: ['admin'] }, action: 'bench' };
const cause = { kind: 'user', id: 'user:bench', depth: 0 } as const;
const command = ['/bin/true'];
const SCHEMA = `bench_${process.pid}`;
const chain = Array.from({ length: steps }, (_, i) => ({
  ...{ name: `s${i}`, command, cache: false },
  ...(i > 0 ? { needs: [`s${i - 1}`] } : {}),
}));
const fan = [
  { name: 'fan', command, cache: false, map: { count: units } },
  { name: 'gather', command, cache: false, needs: ['fan'] },
];

async function measure(store: SqlStore, root: string): Promise<void> {
  const system = realSystem();
  await applyMigrations(store, [...platformMigrations, ...pipelineMigrations]);
  const db = new Database(store, system);
  const resources = new Resources(db, pipelineKinds);
  const blobs = await openFsBlobStore({ root: join(root, `blobs-${store.dialect}`) });
  const deps = { db, resources, system, logger: createLogger('bench', 'fatal'), metrics: createMetrics('bench') };
  const pipelines = createPipelines({ ...deps, blobs });
  const work = pipelines.parts.routes.find(({ handlers }) => 'leaseWork' in handlers)?.handlers;
  const ctx = { ...user, requestId: 'r', project: 'default', access: fullAccess() };
  const call = async (operation: keyof typeof workContract, input: object) =>
    (await work?.[operation]?.(input as never, ctx)) as {
      attempts: { readonly attempt: string; readonly epoch: number }[];
    };
  await resources.apply({ ...user, action: 'resource.apply' }, [
    { kind: 'pipeline', name: 'chain', spec: { steps: chain } },
    { kind: 'pipeline', name: 'fan', spec: { steps: fan } },
  ]);
  const anchor = await timed(200, () =>
    db.maintain((tx) => resources.setStatus(tx, { kind: 'pipeline', name: 'fan' }, {})),
  );
  const drain = async (pipeline: string, slots: number): Promise<void> => {
    const { run } = await pipelines.startRun(user, { pipeline, cause });
    const next = { worker: 'bench', slots: 1, labels: {}, resources: {} };
    const open = [...(await call('leaseWork', { body: { ...next, slots, waitMs: 0 } })).attempts];
    for (let leased = open.shift(); leased; leased = open.shift()) {
      const { attempt, epoch } = leased;
      const body = { status: 'succeeded', epoch, outputs: {}, next };
      open.push(...(await call('finishWork', { params: { attempt }, body })).attempts);
    }
    const { status } = await pipelines.run(run);
    if (status !== 'succeeded') throw new Error(`the run is ${status}`);
  };
  // A chain before, which is not counted: what is measured is a process that has run for a while.
  await drain('chain', 1);
  const chained = (await timed(1, () => drain('chain', 1))) / steps;
  const fanned = (await timed(1, () => drain('fan', 64))) / (units + 1);
  const told = (name: string, ms: number): string =>
    `${name} ${ms.toFixed(2)} ms (${(ms / anchor).toFixed(1)} anchors)`;
  const texts = [
    `anchor ${anchor.toFixed(2)} ms`,
    told(`a step of ${steps}`, chained),
    told(`a unit of ${units}`, fanned),
  ];
  process.stdout.write(`${store.dialect}: ${texts.join(', ')}\n`);
  if (store.dialect === 'postgres') await store.reader.schema.dropSchema(SCHEMA).cascade().execute();
  await db.close();
}

async function timed(times: number, work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < times; i++) await work();
  return (performance.now() - start) / times;
}

const root = await mkdtemp(join(tmpdir(), 'kedge-bench-pipelines-'));
await measure(openSqlite(join(root, 'bench.sqlite')), root);
const url = process.env['KEDGE_TEST_POSTGRES_URL'];
if (url) {
  const store = await openPostgres(url, { schema: SCHEMA, connectionsMax: 4 });
  await measure(store, root);
}
await rm(root, { recursive: true, force: true });
