import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Context } from '#platform/db';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { AuditTree } from './audit-tree.ts';
import { auditMigrations } from './migrations.ts';
import { findEntries } from './offline/find-entries.ts';
import { proveEntry, verifyProvedEntry } from './offline/prove-entry.ts';
import { verifySource } from './offline/verify-source.ts';
import { ProjectLog } from './project-log.ts';
import { ProjectTrees } from './project-trees.ts';
import { generateNoteKey, noteSigner } from './tlog/note.ts';
import { verifyChain } from './verify.ts';

const signer = noteSigner(generateNoteKey('example.org/audit'));

function inProject(project?: string): Context {
  const context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'note.write' };
  return project === undefined ? context : { ...context, project };
}

forEachDialect('The log of a project', auditMigrations, (openDb) => {
  async function open(t: TestContext) {
    const database = await (openDb as OpenDatabase)();
    t.after(() => database.close());
    const { db } = database;
    const note = (project: string | undefined, subject: string) =>
      db.transact(inProject(project), async (tx) => tx.audit(subject, { in: project ?? 'none' }));
    return { db, note, projects: new ProjectTrees(db, signer) };
  }

  test('has its entries alone, numbered and chained without those of others, and is signed as its own', async (t) => {
    const { db, note, projects } = await open(t);
    await db.transact(inProject('credit'), async (tx) => {
      const risk = tx.as(inProject('risk'));
      for (let i = 1; i <= 300; i++) (i % 3 === 0 ? risk : tx).audit(`note/${i}`);
    });
    await note(undefined, 'note/of-none');
    await projects.grow();
    await new AuditTree(db, signer).grow();

    for (const [project, entries] of [
      ['risk', 100],
      ['credit', 200],
      ['default', 1],
    ] as const) {
      const verdict = await verifySource(projects.of(project));
      assert.ok(verdict.ok, JSON.stringify(verdict));
      assert.equal(verdict.entries, entries);
      assert.equal(verdict.checkpoint.origin, `example.org/audit/project/${project}`);
    }
    const whole = await verifySource(new AuditTree(db, signer));
    assert.ok(whole.ok && whole.entries === 301 && whole.checkpoint.origin === 'example.org/audit');
    const texts = (await new ProjectLog(db.reader, 'risk').page(0, 1_000)).map((entry) => JSON.stringify(entry));
    assert.ok(texts.every((text) => !text.includes('credit')));
  });

  test('proves an entry to whoever has the key of this project, and to nobody with that of another', async (t) => {
    const { note, projects } = await open(t);
    await note('credit', 'model-version/credit/loan@1');
    await note('risk', 'model-version/risk/churn@3');
    await projects.grow();
    const risk = projects.of('risk');

    const [seq, ...more] = await findEntries(risk, 'model-version/risk/churn@3');
    assert.deepEqual([seq, more], [1, []]);
    const { proof, entry, verifier } = await proveEntry(risk, 1);
    assert.deepEqual(verifyProvedEntry(proof, verifier).entry, entry);
    const other = (await proveEntry(projects.of('credit'), 1)).verifier;
    assert.throws(() => verifyProvedEntry(proof, other), /signature|key/);
    assert.throws(() => verifyProvedEntry(proof, signer.verifier), /signature|key/);
  });

  test('names the entry that was altered, and one that was taken out of it', async (t) => {
    const { db, note, projects } = await open(t);
    for (let i = 1; i <= 6; i++) await note(i % 2 === 0 ? 'risk' : 'credit', `note/${i}`);
    await projects.grow();
    const altering = (work: (tx: { db: typeof db.reader }) => Promise<unknown>) => db.maintain((tx) => work(tx));

    await altering((tx) => tx.db.updateTable('audit').set({ actor: 'user:eve' }).where('seq', '=', 4).execute());
    const altered = await verifySource(projects.of('risk'));
    assert.ok(!altered.ok && altered.seq === 2, JSON.stringify(altered));
    assert.ok((await verifySource(projects.of('credit'))).ok);

    await altering((tx) => tx.db.deleteFrom('audit_project').where('entry', '=', 3).execute());
    const removed = await verifyChain(new ProjectLog(db.reader, 'credit').all());
    assert.deepEqual([removed.ok, removed.ok || removed.seq], [false, 2]);
    assert.ok(!(await verifySource(projects.of('credit'))).ok);
  });

  test('begins with the next entry where a log of the installation was there before', async (t) => {
    const { db, note, projects } = await open(t);
    await note('risk', 'note/before');
    await new AuditTree(db, signer).grow();
    // As it was before projects had logs.
    await db.maintain((tx) => tx.db.deleteFrom('audit_project').execute());
    await note('risk', 'note/after');
    await projects.grow();

    const whole = new AuditTree(db, signer);
    await whole.grow();
    assert.deepEqual(await findEntries(whole, 'note/before'), [1]);
    assert.deepEqual(await findEntries(projects.of('risk'), 'note/before'), []);
    assert.deepEqual(await findEntries(projects.of('risk'), 'note/after'), [1]);
    assert.ok((await verifySource(whole)).ok);
  });

  test('grows in the hands of several processes, and after one that was not there to see the entries', async (t) => {
    const { db, note, projects } = await open(t);
    const another = new ProjectTrees(db, signer);
    for (let i = 1; i <= 4; i++) {
      await note('risk', `note/${i}`);
      await (i % 2 === 0 ? projects : another).grow();
    }
    await Promise.all([projects.grow(), another.grow()]);
    for (const trees of [projects, another]) {
      const verdict = await verifySource(trees.of('risk'));
      assert.ok(verdict.ok && verdict.entries === 4, JSON.stringify(verdict));
    }
  });
});
