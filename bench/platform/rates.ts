import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPostgres } from '#adapters/sql/postgres';
import { openSqlite } from '#adapters/sql/sqlite';
import { realSystem, type System } from '#core/system';
import { AuditLog, verifyChain } from '#platform/audit';
import { applyMigrations, type Context, Database, platformMigrations } from '#platform/db';
import { Relay } from '#platform/events';
import type { SqlStore } from '#ports/sql';
import { barePostgres, bareSqlite } from './anchors.ts';
import { datasetRates } from './dataset-rates.ts';

/** One row of the report: how many a second, beside the least that the same work could cost, where that is known. */
export interface Rate {
  readonly what: string;
  readonly perSecond: number;
  readonly anchorPerSecond?: number;
  /** Of the anchor. */
  readonly share?: number;
}

const POSTGRES_URL = process.env['KEDGE_TEST_POSTGRES_URL'];
const CONTEXT: Context = { actor: { id: 'user:bench', roles: ['admin'] }, action: 'bench.write' };

/** Every rate is that of one caller who waits for each answer before the next request. */
export async function measureRates(seconds: number): Promise<Rate[]> {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-bench-'));
  try {
    const sqlite = await eventRates('SQLite', openSqlite(join(folder, 'kedge.db')), {
      seconds,
      anchor: () => bareSqlite(join(folder, 'bare.db'), seconds),
    });
    const postgres = POSTGRES_URL ? await postgresRates(POSTGRES_URL, seconds) : [];
    return [...sqlite, ...postgres, ...(await datasetRates(folder, seconds))];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function postgresRates(url: string, seconds: number): Promise<Rate[]> {
  const schema = `bench_${randomUUID().replaceAll('-', '')}`;
  const store = await openPostgres(url, { schema });
  const dropping: SqlStore = {
    ...store,
    async close() {
      await store.reader.schema.dropSchema(schema).cascade().execute();
      await store.close();
    },
  };
  return eventRates('PostgreSQL', dropping, { seconds, anchor: () => barePostgres(url, { schema, seconds }) });
}

/** Transactions with one event and one audit entry each; then their delivery, and the check of their chain. */
async function eventRates(
  name: string,
  store: SqlStore,
  { seconds, anchor }: { readonly seconds: number; readonly anchor: () => number | Promise<number> },
): Promise<Rate[]> {
  const system = realSystem();
  await applyMigrations(store, platformMigrations);
  const db = new Database(store, system);
  try {
    const outbox = await ratePerSecond(seconds, (i) =>
      db.transact(CONTEXT, async (tx) => {
        tx.emit({ type: 'bench.written', subject: `bench/${i % 100}`, data: { i } });
        tx.audit(`bench/${i % 100}`, { i });
      }),
    );
    const bare = await anchor();
    const relay = await relayPerSecond(db, system);
    const log = new AuditLog(db.reader);
    const { seq, hash } = await log.head();
    const startedAt = performance.now();
    const verdict = await verifyChain(log.all(), hash);
    if (!verdict.ok) throw new Error(verdict.reason);
    const verified = seq / ((performance.now() - startedAt) / 1_000);
    return [
      rateOf(`${name}: transactions with an event and an audit entry`, outbox, bare),
      rateOf(`${name}: events delivered to a consumer with handle`, relay),
      rateOf(`${name}: audit entries verified`, verified),
    ];
  } finally {
    await db.close();
  }
}

/** Delivers everything that was published to one consumer, which reads nothing and writes only its cursor. */
async function relayPerSecond(db: Database, system: System): Promise<number> {
  const { seq } = await db.reader
    .selectFrom('event')
    .select((query) => query.fn.max('seq').as('seq'))
    .executeTakeFirstOrThrow();
  const all = Promise.withResolvers<void>();
  const relay = new Relay({
    db,
    system,
    consumers: [
      {
        name: 'bench',
        types: ['bench.written'],
        async handle(_tx, event) {
          if (event.seq === seq) all.resolve();
        },
      },
    ],
    onError: (consumer, event, message) => all.reject(new Error(`${consumer} at ${event.seq}: ${message}`)),
  });
  const startedAt = performance.now();
  relay.start();
  await all.promise;
  const seconds = (performance.now() - startedAt) / 1_000;
  await relay.stop();
  return Number(seq) / seconds;
}

/** Repeats the work, one at a time, for the given time after a tenth of it to warm up. */
async function ratePerSecond(seconds: number, work: (i: number) => Promise<unknown>): Promise<number> {
  const warmUntil = performance.now() + seconds * 100;
  let i = 0;
  while (performance.now() < warmUntil) await work(i++);
  const [from, startedAt] = [i, performance.now()];
  while (performance.now() < startedAt + seconds * 1_000) await work(i++);
  return (i - from) / ((performance.now() - startedAt) / 1_000);
}

function rateOf(what: string, perSecond: number, anchor?: number): Rate {
  const rate = { what, perSecond: Math.round(perSecond) };
  if (anchor === undefined) return rate;
  return { ...rate, anchorPerSecond: Math.round(anchor), share: Math.round((perSecond / anchor) * 1_000) / 1_000 };
}
