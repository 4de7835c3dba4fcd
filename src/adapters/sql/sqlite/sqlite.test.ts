import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { sql } from 'kysely';
import { sqlConformance } from '#conformance/sql';
import { parseRegex } from '#core/regex/parse';
import { matchesRegex } from '#ports/sql';
import { openSqlite, sqliteDamage } from './index.ts';

function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'kedge-sqlite-'));
}

sqlConformance('SQLite in memory', async () => {
  const store = openSqlite(':memory:');
  return { store, close: () => store.close() };
});

for (const durable of [false, true]) {
  sqlConformance(durable ? 'SQLite in a file with synced commits' : 'SQLite in a file', async () => {
    const directory = temporaryDirectory();
    const store = openSqlite(join(directory, 'kedge.sqlite'), { durable });
    return {
      store,
      async close() {
        await store.close();
        rmSync(directory, { recursive: true });
      },
    };
  });
}

function databaseFile(t: TestContext): string {
  const directory = temporaryDirectory();
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'new', 'kedge.sqlite');
}

async function fill(path: string, rows: number): Promise<void> {
  const store = openSqlite(path);
  await store.transaction(async (trx) => {
    await trx.schema.createTable('note').addColumn('text', 'text').execute();
    for (let i = 0; i < rows; i++) {
      await trx
        .insertInto('note')
        .values({ text: `${i}`.repeat(100) })
        .execute();
    }
  });
  await store.close();
}

test('what was committed is there after the process was killed, and an open transaction is not', async (t) => {
  const path = databaseFile(t);
  const script = `
    import { openSqlite } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
    const store = openSqlite(${JSON.stringify(path)});
    await store.transaction((trx) => trx.schema.createTable('note').addColumn('text', 'text').execute());
    await store.transaction((trx) => trx.insertInto('note').values({ text: 'kept' }).execute());
    await store.transaction(async (trx) => {
      await trx.insertInto('note').values({ text: 'lost' }).execute();
      process.kill(process.pid, 'SIGKILL');
    });`;
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', script]);

  const store = openSqlite(path);
  const rows = await store.reader.selectFrom('note').selectAll().execute();
  await store.close();

  assert.equal(signal, 'SIGKILL');
  assert.deepEqual(
    rows.map((row) => row['text']),
    ['kept'],
  );
});

test('a file that is cut or is no database is refused as damaged, with what to do', async (t) => {
  const path = databaseFile(t);
  await fill(path, 200);
  assert.equal(sqliteDamage(path), undefined);

  truncateSync(path, 5_000);
  assert.throws(() => openSqlite(path), { code: 'sql/corrupt', message: /Restore it from a backup/ });
  writeFileSync(path, 'no database at all, but long enough to look at'.repeat(50));
  assert.throws(() => openSqlite(path), { code: 'sql/corrupt' });
});

test('damage inside a page is found by the check of every page', async (t) => {
  const path = databaseFile(t);
  await fill(path, 2_000);
  const file = new DatabaseSync(path);
  const { page_count: pages } = file.prepare('pragma page_count').get() as { page_count: number };
  file.close();
  const { openSync, writeSync, closeSync } = await import('node:fs');
  const handle = openSync(path, 'r+');
  writeSync(handle, Buffer.alloc(4_096, 0xab), 0, 4_096, (pages - 2) * 4_096);
  closeSync(handle);

  assert.ok(sqliteDamage(path));
});

test('the reader sees the state before a transaction that is still open, and does not wait for it', async (t) => {
  const path = databaseFile(t);
  await fill(path, 1);
  const store = openSqlite(path);
  const count = async () => (await store.reader.selectFrom('note').selectAll().execute()).length;

  const inside = await store.transaction(async (trx) => {
    await trx.insertInto('note').values({ text: 'new' }).execute();
    return count();
  });

  assert.deepEqual([inside, await count()], [1, 2]);
  await store.close();
});

test('the reader of a memory database is refused inside a transaction instead of waiting for ever', async () => {
  const store = openSqlite(':memory:');

  const waiting = store.transaction(() => store.reader.selectFrom('sqlite_schema').selectAll().execute());

  await assert.rejects(waiting, { name: 'AssertionError', message: /use tx\.db/ });
  assert.deepEqual(await store.reader.selectFrom('sqlite_schema').selectAll().execute(), []);
  await store.close();
});

test('when the commit of several transactions fails, all of them reject and none of them exist', async (t) => {
  const path = databaseFile(t);
  const store = openSqlite(path);
  await store.transaction(async (trx) => {
    await sql`create table town (name text primary key)`.execute(trx);
    // Such a reference is looked at when the transaction commits.
    await sql`create table road (town text references town (name) deferrable initially deferred)`.execute(trx);
  });
  const build = (town: string) => store.transaction((trx) => trx.insertInto('road').values({ town }).execute());
  const settle = (town: string) => store.transaction((trx) => trx.insertInto('town').values({ name: town }).execute());

  const settled = await Promise.allSettled([settle('a'), build('nowhere'), settle('b')]);

  assert.deepEqual(
    settled.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  );
  assert.deepEqual(await store.reader.selectFrom('town').selectAll().execute(), []);
  await settle('c');
  assert.equal((await store.reader.selectFrom('town').selectAll().execute()).length, 1);
  await store.close();
});

test('a database that another process keeps locked is named as such', async (t) => {
  const path = databaseFile(t);
  await fill(path, 1);
  const store = openSqlite(path, { busyTimeoutMs: 10 });
  const other = new DatabaseSync(path);
  other.exec('begin immediate');

  await assert.rejects(
    store.transaction(async () => {}),
    { code: 'sql/locked' },
  );

  other.exec('commit');
  other.close();
  await store.transaction((trx) => trx.insertInto('note').values({ text: 'after' }).execute());
  await store.close();
});

test('a statement that matches expressions for too long fails, and the next begins anew', async () => {
  const ask = async (regexLimitMs: number) => {
    const store = openSqlite(':memory:', { regexLimitMs });
    const has = matchesRegex('sqlite', sql`'abc'`, parseRegex('b$|c$'));
    try {
      return await sql<{ n: number }>`select ${has} as n`.execute(store.reader).then(({ rows }) => rows[0]?.n);
    } finally {
      await store.close();
    }
  };

  await assert.rejects(ask(-1), { code: 'sql/regex-limit', message: /narrow the search/ });
  assert.equal(await ask(60_000), 1);
});
