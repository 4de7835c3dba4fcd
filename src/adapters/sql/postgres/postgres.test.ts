import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { sqlConformance } from '#conformance/sql';
import { openPostgres } from './index.ts';

const URL = process.env['KEDGE_TEST_POSTGRES_URL'] ?? '';
const skip = URL ? false : 'KEDGE_TEST_POSTGRES_URL names no PostgreSQL';

async function open({ schema = `test_${randomUUID().replaceAll('-', '')}`, connectionsMax = 3 } = {}) {
  const store = await openPostgres(URL, { schema, connectionsMax });
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

test('stores of two schemas in one database do not see each other', { skip }, async () => {
  const [a, b] = [await open(), await open()];
  await a.store.transaction((trx) => trx.schema.createTable('note').addColumn('text', 'text').execute());

  await assert.rejects(b.store.reader.selectFrom('note').selectAll().execute(), /note/);
  await a.close();
  await b.close();
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
