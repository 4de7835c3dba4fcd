/**
 * The audit log as a Merkle log, in figures:
 *
 *     node bench/audit/log.ts [entries]
 *
 * How many entries a second are appended behind their table and signed, how many an export takes, how many are verified
 * in an export as `kedge audit verify` does it, in which memory, and what the growing log costs who writes entries
 * meanwhile. On SQLite in a file, 100,000 entries of some 300 bytes unless told.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqlite } from '#adapters/sql/sqlite';
import { realSystem } from '#core/system';
import { AuditTree, auditMigrations, exportLog, LogDirectory, openLogKey, verifyDirectory } from '#platform/audit';
import { applyMigrations, type Context, Database, platformMigrations } from '#platform/db';

const ENTRIES = Number(process.argv[2] ?? 100_000);
const CONTEXT: Context = { actor: { id: 'user:ada.lovelace', roles: ['admin'] }, action: 'run.log' };
const TRANSACTION = 500;
const WRITES = 3_000;
const ROUNDS = 5;

const folder = await mkdtemp(join(tmpdir(), 'kedge-bench-audit-'));
try {
  const store = openSqlite(join(folder, 'kedge.sqlite'));
  await applyMigrations(store, [...platformMigrations, ...auditMigrations]);
  const db = new Database(store, realSystem());
  const tree = new AuditTree(db, openLogKey(join(folder, 'audit.key')));
  const directory = new LogDirectory(join(folder, 'export'));

  for (let i = 0; i < ENTRIES; i += TRANSACTION) await write(db, TRANSACTION, i);
  await timed('entries appended and signed', ENTRIES, () => tree.grow());
  await timed('entries exported', ENTRIES, () => exportLog(tree, directory));
  const before = process.memoryUsage().rss;
  await timed('entries verified in the export', ENTRIES, async () => {
    const verdict = await verifyDirectory(directory);
    if (!verdict.ok) throw new Error(verdict.reason);
  });
  const { rss } = process.memoryUsage();
  console.log(`resident memory ${megabytes(before)} MB before the verification, ${megabytes(rss)} MB after it`);

  await compareWriters(db, tree);
  await db.close();
} finally {
  await rm(folder, { recursive: true });
}

/** Writes one entry a transaction, in turns with and without a log that grows every second as in a control plane. */
async function compareWriters(db: Database, tree: AuditTree): Promise<void> {
  const rates: Record<'alone' | 'with', number[]> = { alone: [], with: [] };
  for (let round = 0; round < ROUNDS; round++) {
    rates.alone.push(await writeRate(db));
    const growth = setInterval(() => void tree.grow(), 1_000);
    rates.with.push(await writeRate(db));
    clearInterval(growth);
    await tree.grow();
  }
  console.log(
    `transactions a second, median of ${ROUNDS}: ${median(rates.alone)} alone, ${median(rates.with)} with growth`,
  );
}

async function writeRate(db: Database): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < WRITES; i++) await write(db, 1, i);
  return (WRITES * 1_000) / (performance.now() - start);
}

async function write(db: Database, count: number, from: number): Promise<void> {
  await db.transact(CONTEXT, async (tx) => {
    for (let i = from; i < from + count; i++) {
      tx.audit(`run/${i.toString(16).padStart(32, '0')}`, { params: ['lr', 'depth'], tags: [], metrics: 17, step: i });
    }
  });
}

async function timed(what: string, count: number, work: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1_000;
  console.log(`${what}: ${Math.round(count / seconds).toLocaleString('en')} a second (${seconds.toFixed(2)} s)`);
}

function median(values: readonly number[]): string {
  return Math.round(values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0).toLocaleString('en');
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
