import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import type { Tx } from './database.ts';
import type { Migration } from './migrations.ts';

const migration: Migration = {
  name: 'test/001-account',
  async up(db) {
    const id = db.schema.createTable('account').addColumn('id', 'text', (c) => c.primaryKey());
    await id.addColumn('amount', 'bigint').execute();
  },
};

const add = ({ db }: Pick<Tx, 'db'>, id: string, amount: number) =>
  db.insertInto('account').values({ id, amount }).execute();

forEachDialect('Statements of a transaction that are run at once', [migration], (open) => {
  test('run in their order', async () => {
    const { db, close } = await open();

    const amount = await db.maintain(async (tx) => {
      const raise = tx.db.updateTable('account').set((e) => ({ amount: e('amount', '+', 5) }));
      const [, , row] = await Promise.all([
        add(tx, 'a', 1),
        raise.where('id', '=', 'a').execute(),
        tx.db.selectFrom('account').select('amount').where('id', '=', 'a').executeTakeFirst(),
      ]);
      return row?.['amount'];
    });

    assert.equal(amount, 6);
    await close();
  });

  test('leave nothing when one fails, nor does what was asked for after it, alone or in a group', async () => {
    const { db, close } = await open();
    const failing = (id: string) =>
      db.maintain((tx) => Promise.all([add(tx, id, 1), add(tx, id, 2), add(tx, `${id}-after`, 3)]));
    const kept = (id: string) => db.maintain((tx) => add(tx, id, 1));

    const ends = await Promise.allSettled([failing('a'), kept('b'), failing('c'), kept('d')]);

    assert.deepEqual(
      ends.map(({ status }) => status),
      ['rejected', 'fulfilled', 'rejected', 'fulfilled'],
    );
    const rows = await db.reader.selectFrom('account').select('id').orderBy('id').execute();
    assert.deepEqual(
      rows.map(({ id }) => id),
      ['b', 'd'],
    );
    await close();
  });
});
