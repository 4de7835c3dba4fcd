import { type ChildProcess, fork } from 'node:child_process';
import { hash, randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { openPostgres } from '#adapters/sql/postgres';
import { openSqlite } from '#adapters/sql/sqlite';
import type { SqlStore } from '#ports/sql';

const MAIN = fileURLToPath(new URL('../../../src/apps/control-plane/main.ts', import.meta.url));
const POSTGRES_URL = process.env['KEDGE_TEST_POSTGRES_URL'];
/** What the platform writes by itself, whoever asks for what. */
const BY_ITSELF = /^(event_cursor|log_head|audit_(part|tile|tree)|monitoring_progress|account_session|leader)$/;
const STOP_WITHIN_MS = 10_000;

/** A control plane in a process of its own, which has to outlive everything that it is sent. */
export interface HostileServer {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether it is the process that was started, and answers. */
  isAlive(): Promise<boolean>;
  /** Everything that it keeps, as one digest for each table and the names of all files. */
  kept(): Promise<Readonly<Record<string, unknown>>>;
  stop(): Promise<void>;
}

/** Registers a suite with a server on SQLite and, where `KEDGE_TEST_POSTGRES_URL` names one, on PostgreSQL. */
export function forEachDatabase(name: string, suite: (open: () => Promise<HostileServer>) => void): void {
  describe(`${name} on SQLite`, () => suite(() => open(undefined)));
  const skip = POSTGRES_URL ? false : 'KEDGE_TEST_POSTGRES_URL names no PostgreSQL';
  describe(`${name} on PostgreSQL`, { skip }, () => suite(() => open(POSTGRES_URL)));
}

async function open(postgres: string | undefined): Promise<HostileServer> {
  const dir = mkdtempSync(join(tmpdir(), 'kedge-hostile-'));
  const data = join(dir, 'data');
  const schema = `test_${randomUUID().replaceAll('-', '')}`;
  const store = postgres === undefined ? undefined : await openPostgres(postgres, { schema, connectionsMax: 1 });
  const database = postgres === undefined ? {} : { KEDGE_DATABASE: `${postgres}?options=-csearch_path%3D${schema}` };
  const child = fork(MAIN, {
    env: { ...process.env, KEDGE_DATA: data, KEDGE_PORT: '0', KEDGE_LOG_LEVEL: 'fatal', ...database },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const url = await addressOf(child);
  const reader = store ?? openSqlite(join(data, 'kedge.sqlite'));
  const { admin } = JSON.parse(readFileSync(join(data, 'tokens.json'), 'utf8')) as { admin: string };
  return {
    url,
    headers: { authorization: `Bearer ${admin}` },
    async isAlive() {
      const isSame = child.exitCode === null && child.signalCode === null;
      return isSame && (await fetch(`${url}/health`)).status === 200;
    },
    kept: async () => ({ ...(await tablesOf(reader)), files: filesBelow(dir) }),
    async stop() {
      await ended(child);
      if (postgres !== undefined) await reader.reader.schema.dropSchema(schema).cascade().execute();
      await reader.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve((message as { ready: { url: string } }).ready.url));
    child.once('exit', (code) => reject(new Error(`the control plane ended with code ${code} before it was ready`)));
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await exit;
  clearTimeout(timer);
}

async function tablesOf({ reader, dialect }: SqlStore): Promise<Record<string, string>> {
  const tables =
    dialect === 'sqlite'
      ? sql<{ name: string }>`select name from sqlite_master where type = 'table'`
      : sql<{ name: string }>`select table_name as name from information_schema.tables
          where table_schema = current_schema()`;
  const names = (await tables.execute(reader)).rows.map(({ name }) => name).filter((name) => !BY_ITSELF.test(name));
  const found: Record<string, string> = {};
  for (const name of names.sort()) {
    const { rows } = await sql`select * from ${sql.table(name)}`.execute(reader);
    found[name] = hash(
      'sha256',
      rows
        .map((row) => JSON.stringify(row))
        .sort()
        .join('\n'),
    );
  }
  return found;
}

/** The names of all files but those of the database, which grow and shrink by themselves. */
function filesBelow(dir: string): string[] {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const names = files.map((entry) => join(entry.parentPath, entry.name).slice(dir.length));
  return names.filter((name) => !/kedge\.sqlite|features\.lmdb/.test(name)).sort();
}
