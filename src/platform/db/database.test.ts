import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuditLog, verifyChain } from '#platform/audit';
import { forEachDialect } from '#testing/databases';
import type { Context } from './database.ts';
import type { Migration } from './migrations.ts';
import { together } from './together.ts';

const migration: Migration = {
  name: 'test/001-note',
  async up(db, dialect) {
    await db.schema
      .createTable('note')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('bytes', dialect === 'sqlite' ? 'blob' : 'bytea')
      .addColumn('big', 'bigint')
      .execute();
  },
};

const context: Context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'note.write' };

forEachDialect('The database', [migration], (open) => {
  test('state, event and audit row of a transaction commit together', async () => {
    const { db, close } = await open();

    await db.transact(context, async (tx) => {
      await tx.db
        .insertInto('note')
        .values({ id: 'a', bytes: new Uint8Array([1, 2]), big: 2 ** 40 })
        .execute();
      tx.emit({ type: 'note.written', subject: 'note/a', data: { size: 2 } });
      tx.audit('note/a', { size: 2 });
    });

    const note = await db.reader.selectFrom('note').selectAll().executeTakeFirstOrThrow();
    const event = await db.reader.selectFrom('event').selectAll().executeTakeFirstOrThrow();
    const [entry] = await new AuditLog(db.reader).search({ limit: 10 });
    assert.deepEqual({ ...note, bytes: [...note['bytes']] }, { id: 'a', bytes: [1, 2], big: 2 ** 40 });
    assert.equal(event['seq'], 1);
    assert.equal(entry?.action, 'note.write');
    assert.equal(entry?.actor, 'user:ada');
    await close();
  });

  test('a part of a transaction can be audited as done by another, in its place among the rest', async () => {
    const { db, close } = await open();
    const rule: Context = { actor: { id: 'rule/tidy', roles: [] }, action: 'note.burn' };

    await db.transact(context, async (tx) => {
      tx.audit('note/a');
      const other = tx.as(rule);
      await other.db.insertInto('note').values({ id: 'b' }).execute();
      other.emit({ type: 'note.burnt', subject: 'note/b', data: null });
      other.audit('note/b', { why: 'old' });
      tx.audit('note/c');
    });
    const failing = db.transact(context, async (tx) => {
      tx.as(rule).audit('note/d');
      throw new Error('stop');
    });

    await assert.rejects(failing, /stop/);
    const entries = await new AuditLog(db.reader).search({ limit: 10 });
    assert.deepEqual(
      entries.reverse().map(({ actor, action, subject }) => [actor, action, subject]),
      [
        ['user:ada', 'note.write', 'note/a'],
        ['rule/tidy', 'note.burn', 'note/b'],
        ['user:ada', 'note.write', 'note/c'],
      ],
    );
    assert.equal((await db.reader.selectFrom('event').selectAll().execute()).length, 1);
    await close();
  });

  test('a transaction that throws leaves nothing', async () => {
    const { db, close } = await open();

    const failing = db.transact(context, async (tx) => {
      await tx.db.insertInto('note').values({ id: 'a' }).execute();
      tx.emit({ type: 'note.written', subject: 'note/a', data: {} });
      tx.audit('note/a');
      throw new Error('stop');
    });

    await assert.rejects(failing, /stop/);
    for (const table of ['note', 'event', 'audit']) {
      assert.deepEqual(await db.reader.selectFrom(table).selectAll().execute(), []);
    }
    await close();
  });

  test('a transaction under a context that audits nothing is refused', async () => {
    const { db, close } = await open();

    const silent = db.transact(context, (tx) => tx.db.insertInto('note').values({ id: 'a' }).execute());

    await assert.rejects(silent, /committed nothing to the audit log/);
    assert.deepEqual(await db.reader.selectFrom('note').selectAll().execute(), []);
    await close();
  });

  test('concurrent transactions number audit entries and events without gaps, and the chain verifies', async () => {
    const { db, close } = await open();

    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        db.transact(context, async (tx) => {
          await tx.db
            .insertInto('note')
            .values({ id: `n${i}` })
            .execute();
          tx.emit({ type: 'note.written', subject: `note/n${i}`, data: null });
          tx.audit(`note/n${i}`, { i });
        }),
      ),
    );

    const log = new AuditLog(db.reader);
    const { hash } = await log.head();
    const events = await db.reader.selectFrom('event').select('seq').orderBy('seq').execute();
    assert.deepEqual(await verifyChain(log.all(), hash), { ok: true, entries: 20, head: hash });
    assert.deepEqual(
      events.map((row) => row['seq']),
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    await close();
  });

  test('verification names the first audit entry that was altered, removed or cut off', async () => {
    const { db, close } = await open();
    for (const id of ['a', 'b', 'c']) await db.transact(context, async (tx) => tx.audit(`note/${id}`));
    const log = new AuditLog(db.reader);
    const { hash } = await log.head();

    await db.maintain((tx) => tx.db.updateTable('audit').set({ subject: 'note/x' }).where('seq', '=', 2).execute());
    const altered = await verifyChain(log.all(), hash);
    await db.maintain((tx) => tx.db.deleteFrom('audit').where('seq', '=', 2).execute());
    const removed = await verifyChain(log.all(), hash);
    await db.maintain((tx) => tx.db.deleteFrom('audit').where('seq', '>', 1).execute());
    const cutOff = await verifyChain(log.all(), hash);

    assert.equal(!altered.ok && altered.seq, 2);
    assert.equal(!removed.ok && removed.seq, 2);
    assert.equal(!cutOff.ok && cutOff.seq, 2);
    await close();
  });

  test('statements sent together are answered in their order, also within a transaction', async () => {
    const { db, close } = await open();
    const note = (of: typeof db.reader, id: string) => of.selectFrom('note').select('id').where('id', '=', id);

    const inside = await db.transact(context, async (tx) => {
      tx.audit('note/a');
      await tx.db
        .insertInto('note')
        .values(['a', 'b'].map((id) => ({ id })))
        .execute();
      return together(tx.db, [note(tx.db, 'a'), note(tx.db, 'none'), note(tx.db, 'b')]);
    });
    const outside = await together(db.reader, [note(db.reader, 'b'), note(db.reader, 'a')]);

    const idsOf = (rows: readonly { readonly id?: unknown }[]) => rows.map(({ id }) => id);
    assert.deepEqual(inside.map(idsOf), [['a'], [], ['b']]);
    assert.deepEqual(outside.map(idsOf), [['b'], ['a']]);
    await close();
  });

  test('of statements sent together one that fails fails all, and the connection goes on', async () => {
    const { db, close } = await open();
    const one = db.reader.selectNoFrom((e) => e.lit(1).as('one'));

    await assert.rejects(together(db.reader, [one, db.reader.selectFrom('nothing').selectAll(), one]), /nothing/);

    const [rows] = await together(db.reader, [one]);
    assert.equal(rows[0]?.one, 1);
    await close();
  });
});
