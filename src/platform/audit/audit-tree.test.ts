import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Context, type Database, GENESIS_HASH } from '#platform/db';
import { forEachDialect } from '#testing/databases';
import { AuditTree, auditMigrations, openLogKey } from './index.ts';
import { LogDirectory } from './offline/directory.ts';
import { exportLog } from './offline/export-log.ts';
import { verifyDirectory } from './offline/verify-directory.ts';
import { verifySource } from './offline/verify-source.ts';
import { openCheckpoint } from './tlog/checkpoint.ts';
import { generateNoteKey, noteSigner } from './tlog/note.ts';

const context: Context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'note.write' };
const signer = noteSigner(generateNoteKey('kedge.example/audit'));

/** Many entries in one transaction: how many commits they took makes no difference to the log. */
const write = (db: Database, count: number, detail: (i: number) => object = (i) => ({ i, text: 'ü "é"' })) =>
  db.transact(context, async (tx) => {
    for (let i = 0; i < count; i++) tx.audit(`note/${i}`, { ...detail(i) });
  });

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'kedge-log-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

const checkpointOf = async (tree: AuditTree) =>
  openCheckpoint(Buffer.from((await tree.read('checkpoint')) ?? []).toString(), signer.verifier);

forEachDialect('The audit log as a Merkle log', auditMigrations, (open) => {
  test('grows with the entries, in pieces of any size, to the same tree', async (t) => {
    const { db, close } = await open();
    t.after(close);
    const tree = new AuditTree(db, signer);
    await tree.grow();
    assert.equal((await checkpointOf(tree)).size, 0);
    for (const count of [1, 2, 252, 1, 1, 300, 700]) {
      await write(db, count);
      await tree.grow();
    }
    const { size, root } = await checkpointOf(tree);
    const verdict = await verifySource(tree);
    assert.deepEqual([verdict.ok, verdict.entries], [true, 1_257], JSON.stringify(verdict));

    // One that starts over has the same root, because nothing but the entries and their order goes into it.
    await db.maintain(async (tx) => {
      await tx.db.deleteFrom('audit_tree').execute();
      await tx.db.deleteFrom('audit_tile').execute();
    });
    const again = new AuditTree(db, signer);
    await again.grow();
    assert.deepEqual(await checkpointOf(again), { origin: 'kedge.example/audit', size, root });
  });

  test('is grown by several processes at once without a fork or a gap', async (t) => {
    const { db, close } = await open();
    t.after(close);
    await write(db, 1_500);
    const trees = [1, 2, 3].map(() => new AuditTree(db, signer));
    await Promise.all(trees.map((tree) => tree.grow()));
    await write(db, 900);
    await Promise.all(trees.flatMap((tree) => [tree.grow(), tree.grow()]));
    for (const tree of trees) {
      const verdict = await verifySource(tree);
      assert.deepEqual([verdict.ok, verdict.entries], [true, 2_400], JSON.stringify(verdict));
    }
  });

  test('goes on after a write that failed in the middle', async (t) => {
    const { db, close } = await open();
    t.after(close);
    const tree = new AuditTree(db, signer);
    await write(db, 10);
    await tree.grow();
    await write(db, 400);
    await db.maintain((tx) => tx.db.schema.alterTable('audit_part').renameTo('audit_part_away').execute());
    await write(db, 1, () => ({}));
    await db.transact(context, async (tx) => tx.audit('model-version/churn@1'));
    await assert.rejects(tree.grow());
    assert.equal((await checkpointOf(tree)).size, 10, 'nothing of the failed page was kept');
    await db.maintain((tx) => tx.db.schema.alterTable('audit_part_away').renameTo('audit_part').execute());
    await tree.grow();
    const verdict = await verifySource(tree);
    assert.deepEqual([verdict.ok, verdict.entries], [true, 412]);
  });

  test('signs nothing over an entry that was altered before it was appended', async (t) => {
    const { db, close } = await open();
    t.after(close);
    const tree = new AuditTree(db, signer);
    await write(db, 20);
    await tree.grow();
    await write(db, 20);
    await db.maintain((tx) => tx.db.updateTable('audit').set({ actor: 'user:eve' }).where('seq', '=', 31).execute());
    await assert.rejects(tree.grow(), { code: 'audit/broken-chain', message: /entry 31/ });
    assert.equal((await checkpointOf(tree)).size, 20);
  });

  test('shows what was done to entries behind its back, in the tables and in an export of them', async (t) => {
    const { db, close } = await open();
    t.after(close);
    const tree = new AuditTree(db, signer);
    await write(db, 700);
    await tree.grow();
    const damages: [number, RegExp, () => Promise<unknown>][] = [
      [333, /entry 333 was altered/, () => change({ actor: 'user:eve' }, 333)],
      [256, /entry 256 was altered/, () => change({ detail: '{' }, 256)],
      [699, /entry 699 was altered/, () => change({ hash: GENESIS_HASH }, 699)],
      [
        12,
        /entry 12 was removed/,
        () => db.maintain((tx) => tx.db.deleteFrom('audit').where('seq', '=', 12).execute()),
      ],
    ];
    const change = (values: object, seq: number) =>
      db.maintain((tx) => tx.db.updateTable('audit').set(values).where('seq', '=', seq).execute());
    const rows = await db.reader.selectFrom('audit').selectAll().execute();
    for (const [seq, reason, damage] of damages) {
      await damage();
      const path = folder(t);
      await exportLog(tree, new LogDirectory(path));
      for (const verdict of [await verifySource(tree), await verifyDirectory(new LogDirectory(path))]) {
        assert.equal(!verdict.ok && verdict.seq, seq, JSON.stringify(verdict));
        assert.match(verdict.ok ? '' : verdict.reason, reason);
      }
      await db.maintain(async (tx) => {
        await tx.db.deleteFrom('audit').execute();
        for (let i = 0; i < rows.length; i += 50)
          await tx.db
            .insertInto('audit')
            .values(rows.slice(i, i + 50))
            .execute();
      });
    }
  });

  test('is exported, and brought up to date in the same directory only when it did nothing but grow', async (t) => {
    const { db, close } = await open();
    t.after(close);
    const tree = new AuditTree(db, signer);
    const path = folder(t);
    const directory = new LogDirectory(path);
    for (const count of [0, 5, 300, 1, 600]) {
      if (count > 0) await write(db, count, (i) => (i === 3 ? { long: 'x'.repeat(70_000) } : { i }));
      await tree.grow();
      await exportLog(tree, directory);
      const verdict = await verifyDirectory(directory, { verifier: signer.verifier });
      assert.equal(verdict.ok, true, JSON.stringify(verdict));
    }
    assert.ok(statSync(join(path, 'detail/4')).size > 70_000);

    writeFileSync(join(path, 'tile/entries/007'), 'x');
    const beside = await verifyDirectory(directory);
    assert.deepEqual(!beside.ok && [beside.place, beside.seq], ['tile/entries/007', 7 * 256 + 1]);
    await exportLog(tree, directory);
    assert.equal((await verifyDirectory(directory)).ok, true);

    await db.maintain(async (tx) => {
      await tx.db.deleteFrom('audit_tree').execute();
      await tx.db.deleteFrom('audit_tile').execute();
      await tx.db.deleteFrom('audit').execute();
      await tx.db.deleteFrom('audit_project').execute();
      await tx.db.updateTable('log_head').set({ audit_seq: 0, audit_hash: GENESIS_HASH }).execute();
    });
    await write(db, 2_000);
    const rewritten = new AuditTree(db, signer);
    await rewritten.grow();
    await assert.rejects(exportLog(rewritten, directory), { code: 'audit/proof', message: /was rewritten/ });
    assert.equal((await verifyDirectory(directory)).ok, true, 'the export of before was left as it was');
  });

  test('is signed anew when its key was replaced', async (t) => {
    const { db, close } = await open();
    t.after(close);
    await write(db, 300);
    const before = new AuditTree(db, noteSigner(generateNoteKey('kedge.example/former')));
    await before.grow();
    const tree = new AuditTree(db, signer);
    await tree.grow();
    assert.equal((await checkpointOf(tree)).size, 300);
    assert.equal((await verifySource(tree)).ok, true);
  });
});

test('the key of the log is made once, for its owner only', (t) => {
  const path = join(folder(t), 'audit.key');
  const made = openLogKey(path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.match(made.verifier.text, /^kedge-[0-9a-f]{12}\/audit\+[0-9a-f]{8}\+/);
  assert.equal(openLogKey(path).verifier.text, made.verifier.text);
  writeFileSync(path, readFileSync(path, 'utf8').replace('kedge-', 'other-'));
  assert.throws(() => openLogKey(path), { code: 'audit/key' });
});
