import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { sql } from 'kysely';
import { sqlConformance } from '#conformance/sql';
import { parseRegex } from '#core/regex/parse';
import { applyMigrations } from '#platform/db';
import { matchesRegex, PLANNED_BY_VALUES, POSTGRES_REGEX_OPERATOR } from '#ports/sql';
import { openPostgres } from './index.ts';

const URL = process.env['KEDGE_TEST_POSTGRES_URL'] ?? '';
const skip = URL ? false : 'KEDGE_TEST_POSTGRES_URL names no PostgreSQL';

async function open({
  schema = `test_${randomUUID().replaceAll('-', '')}`,
  connectionsMax = 3,
  regexLimitMs = 60_000,
} = {}) {
  const store = await openPostgres(URL, { schema, connectionsMax, regexLimitMs });
  return {
    store,
    schema,
    async close() {
      await store.reader.schema.dropSchema(schema).ifExists().cascade().execute();
      await store.close();
    },
  };
}

sqlConformance('PostgreSQL', () => open(), { skip });

test('a transaction may read beside itself while more transactions wait than there are connections', {
  skip,
}, async () => {
  const { store, close } = await open({ connectionsMax: 2 });
  const read = () =>
    store.transaction(() => store.reader.selectNoFrom((e) => e.lit(1).as('one')).executeTakeFirstOrThrow());

  const answers = await Promise.all(Array.from({ length: 10 }, read));

  assert.equal(answers.length, 10);
  await close();
});

test('two processes write one after the other', { skip }, async () => {
  const first = await open();
  const second = await openPostgres(URL, { schema: first.schema, connectionsMax: 2 });
  await first.store.transaction((trx) => trx.schema.createTable('count').addColumn('n', 'integer').execute());
  await first.store.transaction((trx) => trx.insertInto('count').values({ n: 0 }).execute());
  const increase = (store: typeof second) =>
    store.transaction(async (trx) => {
      const { n } = await trx.selectFrom('count').select('n').executeTakeFirstOrThrow();
      await trx
        .updateTable('count')
        .set({ n: n + 1 })
        .execute();
    });

  await Promise.all(Array.from({ length: 20 }, (_, i) => increase(i % 2 === 0 ? first.store : second)));

  assert.deepEqual(await second.reader.selectFrom('count').select('n').execute(), [{ n: 20 }]);
  await second.close();
  await first.close();
});

test('several processes may open one new schema at the same time', { skip }, async () => {
  const schema = `test_${randomUUID().replaceAll('-', '')}`;

  const stores = await Promise.all(Array.from({ length: 4 }, () => openPostgres(URL, { schema, connectionsMax: 1 })));

  assert.deepEqual(await stores[0]!.reader.selectNoFrom((e) => e.lit(1).as('one')).execute(), [{ one: 1 }]);
  await stores[0]!.reader.schema.dropSchema(schema).cascade().execute();
  await Promise.all(stores.map((store) => store.close()));
});

test('processes that start at the same time apply each migration once', { skip }, async () => {
  const { store, schema, close } = await open();
  const second = await openPostgres(URL, { schema, connectionsMax: 2 });
  const migrations = ['one', 'two', 'three'].map((name) => ({
    name: `test/${name}`,
    up: (db: typeof store.reader) => db.schema.createTable(name).addColumn('n', 'integer').execute(),
  }));

  const applied = await Promise.all([store, second].map((each) => applyMigrations(each, migrations)));

  assert.deepEqual(applied.flat().sort(), ['test/one', 'test/three', 'test/two']);
  await second.close();
  await close();
});

test('a connection that breaks between two statements of a transaction fails that transaction alone', {
  skip,
}, async () => {
  const { store, close } = await open();
  const other = await open();
  const broken = store.transaction(async (trx) => {
    const { pid } = (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx)).rows[0]!;
    await sql`select pg_terminate_backend(${pid})`.execute(other.store.reader);
    // The server's word that the connection is over arrives while nothing waits for an answer.
    const backends = sql`select 1 from pg_stat_activity where pid = ${pid}`;
    while ((await backends.execute(other.store.reader)).rows.length > 0);
    await sql`select 1`.execute(trx);
  });

  await assert.rejects(broken);
  const { rows } = await store.transaction((trx) => sql<{ one: number }>`select 1 as one`.execute(trx));
  assert.deepEqual(rows, [{ one: 1 }]);
  await other.close();
  await close();
});

test('a statement that matches expressions for too long or by one it cannot read fails, and its connection goes on', {
  skip,
}, async () => {
  const { store, close } = await open({ connectionsMax: 1, regexLimitMs: 100 });
  const has = matchesRegex('postgres', sql`'abc'`, parseRegex('b'));
  const asleep = sql`select pg_sleep(600) where ${has}`;
  const unreadable = sql`select 1 where 'a' ${sql.raw(POSTGRES_REGEX_OPERATOR)} '('`;

  await assert.rejects(asleep.execute(store.reader), { code: 'sql/regex-limit', message: /narrow the search/ });
  await assert.rejects(
    store.transaction((trx) => asleep.execute(trx)),
    { code: 'sql/regex-limit' },
  );
  await assert.rejects(unreadable.execute(store.reader), { code: 'sql/regex-limit' });
  const { rows } = await sql<{ limit: string }>`select current_setting('statement_timeout') as limit`.execute(
    store.reader,
  );
  assert.equal(rows[0]?.limit, '0');
  await close();
});

test('stores of two schemas in one database do not see each other', { skip }, async () => {
  const [a, b] = [await open(), await open()];
  await a.store.transaction((trx) => trx.schema.createTable('note').addColumn('text', 'text').execute());

  await assert.rejects(b.store.reader.selectFrom('note').selectAll().execute(), /note/);
  await a.close();
  await b.close();
});

test('a statement that the server keeps goes on after its table got another column', { skip }, async () => {
  const { store, close } = await open({ connectionsMax: 1 });
  await store.transaction((trx) => trx.schema.createTable('note').addColumn('id', 'integer').execute());
  await store.transaction((trx) => trx.insertInto('note').values({ id: 1 }).execute());
  const read = () => store.reader.selectFrom('note').selectAll().where('id', '=', 1).execute();
  const kept = () => sql<{ n: number }>`select count(*) as n from pg_prepared_statements`.execute(store.reader);

  for (let run = 0; run < 6; run++) await read();
  const before = (await kept()).rows[0]?.n;
  await store.transaction((trx) => trx.schema.alterTable('note').addColumn('text', 'text').execute());
  await read().catch((error) => assert.match(error.message, /cached plan must not change result type/));

  assert.equal(before, 1);
  assert.deepEqual(await read(), [{ id: 1, text: null }]);
  await close();
});

test('a statement that is planned by its values is not kept', { skip }, async () => {
  const { store, close } = await open({ connectionsMax: 1 });
  const search = sql`${sql.raw(PLANNED_BY_VALUES)} select 1 where ${1}::int = 1`;

  for (let run = 0; run < 10; run++) await search.execute(store.reader);

  const kept = await sql`select statement from pg_prepared_statements`.execute(store.reader);
  assert.deepEqual(kept.rows, []);
  await close();
});

test('a server that cannot be reached is named, without the password', async () => {
  const refused = openPostgres('postgres://ada:secret@127.0.0.1:9/kedge');

  await assert.rejects(refused, (error: { code?: string; message: string }) => {
    assert.equal(error.code, 'sql/unreachable');
    assert.match(error.message, /127\.0\.0\.1:9/);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
});
