import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

const TEXT = JSON.stringify({ i: 12_345 });
const HASH = `sha256:${'0'.repeat(64)}`;
const TABLES = [
  'create table bare_event (seq bigint primary key, subject text not null, data text not null)',
  'create table bare_audit (seq bigint primary key, subject text not null, detail text not null, hash text not null)',
];

/** Transactions a second of the bare driver that insert one row into each of two tables, with the same durability. */
export function bareSqlite(path: string, seconds: number): number {
  const database = new DatabaseSync(path);
  try {
    database.exec('pragma journal_mode = wal; pragma synchronous = normal');
    for (const table of TABLES) database.exec(table);
    const event = database.prepare('insert into bare_event values (?, ?, ?)');
    const audit = database.prepare('insert into bare_audit values (?, ?, ?, ?)');
    const startedAt = performance.now();
    let i = 0;
    while (performance.now() < startedAt + seconds * 1_000) {
      database.exec('begin immediate');
      event.run(i, `bench/${i % 100}`, TEXT);
      audit.run(i, `bench/${i % 100}`, TEXT, HASH);
      database.exec('commit');
      i += 1;
    }
    return i / ((performance.now() - startedAt) / 1_000);
  } finally {
    database.close();
  }
}

/** The same on PostgreSQL over one connection, each statement a request of its own. */
export async function barePostgres(
  url: string,
  { schema, seconds }: { readonly schema: string; readonly seconds: number },
): Promise<number> {
  const client = new pg.Client({ connectionString: url, options: `-c search_path=${schema}` });
  await client.connect();
  try {
    for (const table of TABLES) await client.query(table);
    const startedAt = performance.now();
    let i = 0;
    while (performance.now() < startedAt + seconds * 1_000) {
      await client.query('begin');
      await client.query('insert into bare_event values ($1, $2, $3)', [i, `bench/${i % 100}`, TEXT]);
      await client.query('insert into bare_audit values ($1, $2, $3, $4)', [i, `bench/${i % 100}`, TEXT, HASH]);
      await client.query('commit');
      i += 1;
    }
    return i / ((performance.now() - startedAt) / 1_000);
  } finally {
    await client.end();
  }
}
