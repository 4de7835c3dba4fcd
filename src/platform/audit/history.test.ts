import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as invariant } from '#core/assert';
import type { Database } from '#platform/db';
import { forEachDialect } from '#testing/databases';
import { createAudit } from './audit.ts';
import { AuditTree } from './audit-tree.ts';
import { historyOf } from './history.ts';
import { auditMigrations } from './migrations.ts';
import { generateNoteKey, noteSigner } from './tlog/note.ts';

const signer = noteSigner(generateNoteKey('kedge.example/audit'));

const write = (db: Database, subject: string) =>
  db.transact({ actor: { id: 'user:ada', roles: [] }, action: 'x.do' }, async (tx) => tx.audit(subject));

forEachDialect('The history of something', auditMigrations, (open) => {
  test('has the entries about it and its versions, in order, page by page, and nothing about others', async (t) => {
    const { db, close } = await open();
    t.after(close);
    const about = ['model/a', 'model-version/a@1', 'model/a', 'model-version/a@12', 'model-version/a@1', 'model/a'];
    const others = ['model/ab', 'model-version/ab@1', 'model-version/A@1', 'model/a@x', 'run/a', 'model-version/b/a@1'];
    for (const [i, subject] of about.entries()) {
      await write(db, subject);
      await write(db, others[i] ?? '');
    }
    await new AuditTree(db, signer).grow();

    const subjects: string[] = [];
    for (let after: number | undefined = 0; after !== undefined; ) {
      const page = await historyOf(db, { subject: 'model/a', after, limit: 2 });
      subjects.push(...page.items.map((entry) => entry.subject));
      after = page.next;
    }
    const version = await historyOf(db, { subject: 'model-version/a@1', after: 0, limit: 10 });

    assert.deepEqual(subjects, about);
    assert.deepEqual(
      version.items.map((entry) => entry.seq),
      [3, 9],
    );
    assert.equal(version.next, undefined);
  });

  test('the job that grows the log tells of a broken chain once, and goes on when it is mended', async (t) => {
    const { db, close } = await open();
    t.after(close);
    const [job] = createAudit({ db, signer }).parts.jobs;
    invariant(job, 'the log has a job that grows it');
    const { signal } = new AbortController();
    const change = (actor: string) => db.maintain((tx) => tx.db.updateTable('audit').set({ actor }).execute());
    await write(db, 'model/a');
    await change('user:eve');

    await assert.rejects(job.run(signal), { code: 'audit/broken-chain' });
    await job.run(signal);
    await change('user:ada');
    await job.run(signal);
    await change('user:eve');
    await write(db, 'model/a');
    await job.run(signal);

    assert.match(Buffer.from((await new AuditTree(db, signer).read('checkpoint')) ?? []).toString(), /\n2\n/);
  });
});
