import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Json } from '#core/json';
import { type AuditEntry, type Context, chainHash, GENESIS_HASH } from '#platform/db';
import { forEachDialect } from '#testing/databases';
import { AuditLog, verifyChain, verifyLog } from './index.ts';

const draft = fc.record({
  time: fc.nat(),
  actor: fc.string(),
  action: fc.string(),
  subject: fc.string({ unit: 'grapheme' }),
  detail: fc.jsonValue({ maxDepth: 2 }).map((value) => value as Json),
});
const chain = fc.array(draft, { minLength: 1, maxLength: 12 }).map((drafts) => {
  let hash = GENESIS_HASH;
  return drafts.map((each, i): AuditEntry => {
    hash = chainHash(hash, { ...each, seq: i + 1 });
    return { ...each, seq: i + 1, hash };
  });
});

async function* streamed(entries: readonly unknown[]): AsyncIterable<AuditEntry> {
  // What comes from an export was JSON in between.
  for (const entry of entries) yield JSON.parse(JSON.stringify(entry));
}

const headOf = (entries: readonly AuditEntry[]): string => entries.at(-1)?.hash ?? GENESIS_HASH;

/** Ways to damage a chain of at least two entries at place `at`; each says where verification has to stop. */
const DAMAGES: Readonly<Record<string, (entries: AuditEntry[], at: number) => number>> = {
  'an altered field'(entries, at) {
    entries[at] = { ...(entries[at] as AuditEntry), actor: `${entries[at]?.actor}!` };
    return at + 1;
  },
  'an altered detail'(entries, at) {
    entries[at] = { ...(entries[at] as AuditEntry), detail: { was: entries[at]?.detail ?? null } };
    return at + 1;
  },
  'another time'(entries, at) {
    entries[at] = { ...(entries[at] as AuditEntry), time: (entries[at]?.time ?? 0) + 1 };
    return at + 1;
  },
  'a removed entry'(entries, at) {
    entries.splice(at, 1);
    return at + 1;
  },
  'an entry told twice'(entries, at) {
    entries.splice(at, 0, entries[at] as AuditEntry);
    return at + 2;
  },
  'an entry moved to the end'(entries, at) {
    entries.push(...entries.splice(at, 1));
    return at + 1;
  },
  'an added claim'(entries, at) {
    entries[at] = Object.assign({ ...(entries[at] as AuditEntry) }, { approved: true });
    return at + 1;
  },
  'a line that is no entry'(entries, at) {
    Reflect.set(entries, at, null);
    return at + 1;
  },
  'an end cut off'(entries, at) {
    entries.splice(at);
    return at + 1;
  },
  'a forged end with hashes of its own'(entries, at) {
    let hash = entries[at - 1]?.hash ?? GENESIS_HASH;
    for (let i = at; i < entries.length; i++) {
      const forged = { ...(entries[i] as AuditEntry), actor: 'user:forged' };
      hash = chainHash(hash, forged);
      entries[i] = { ...forged, hash };
    }
    return entries.length + 1;
  },
};

test('a chain that nobody touched is whole', async () => {
  await fc.assert(
    fc.asyncProperty(chain, async (entries) => {
      const head = headOf(entries);
      assert.deepEqual(await verifyChain(streamed(entries), head), { ok: true, entries: entries.length, head });
    }),
  );
});

for (const [name, damage] of Object.entries(DAMAGES)) {
  test(`${name} breaks the chain at its place`, async () => {
    await fc.assert(
      fc.asyncProperty(chain, fc.nat(), async (entries, where) => {
        fc.pre(entries.length > 1);
        const head = headOf(entries);
        // The last entry moved to the end would be no damage.
        const at = where % (entries.length - 1);
        const broken = [...entries];
        const seq = damage(broken, at);

        const verdict = await verifyChain(streamed(broken), head);

        assert.equal(verdict.ok, false);
        assert.equal(!verdict.ok && verdict.seq, seq, JSON.stringify(verdict));
      }),
      { numRuns: 40 },
    );
  });
}

const context: Context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'note.write' };

forEachDialect('The audit log of a database', [], (open) => {
  test('damage done behind the back of Kedge is found where it was done', async (t) => {
    const { db, close } = await open();
    t.after(close);
    for (let i = 0; i < 5; i++) await db.transact(context, async (tx) => tx.audit(`note/${i}`, { i, text: 'ü "é"' }));
    const log = new AuditLog(db.reader);
    assert.deepEqual((await verifyLog(log)).ok, true);
    const whole = [...(await log.search({ limit: 10 }))].reverse();

    const damages: [string, number, () => Promise<unknown>][] = [
      ['detail', 3, () => change({ detail: '{"i":9}' }, 3)],
      ['no JSON', 2, () => change({ detail: '{' }, 2)],
      ['hash', 4, () => change({ hash: GENESIS_HASH }, 4)],
      ['end', 5, () => db.maintain((tx) => tx.db.deleteFrom('audit').where('seq', '=', 5).execute())],
      ['beyond the head', 6, () => db.maintain((tx) => tx.db.insertInto('audit').values(forged(whole)).execute())],
      ['head', 6, () => db.maintain((tx) => tx.db.updateTable('log_head').set({ audit_hash: GENESIS_HASH }).execute())],
    ];
    const change = (values: object, seq: number) =>
      db.maintain((tx) => tx.db.updateTable('audit').set(values).where('seq', '=', seq).execute());
    for (const [name, seq, damage] of damages) {
      await damage();
      const verdict = await verifyLog(log);
      assert.equal(!verdict.ok && verdict.seq, seq, `${name}: ${JSON.stringify(verdict)}`);
      await restore(whole);
      assert.equal((await verifyLog(log)).ok, true, `${name} was undone`);
    }

    async function restore(entries: readonly AuditEntry[]): Promise<void> {
      await db.maintain(async (tx) => {
        await tx.db.deleteFrom('audit').execute();
        const rows = entries.map((entry) => ({ ...entry, detail: JSON.stringify(entry.detail) }));
        await tx.db.insertInto('audit').values(rows).execute();
        await tx.db
          .updateTable('log_head')
          .set({ audit_hash: headOf(entries) })
          .execute();
      });
    }
  });

  test('actions that are left out leave room for those that matter', async (t) => {
    const { db, close } = await open();
    t.after(close);
    for (const action of ['rare.one', 'often', 'often', 'rare.two', 'often']) {
      await db.transact({ ...context, action }, async (tx) => tx.audit('x'));
    }

    const entries = await new AuditLog(db.reader).search({ exceptActions: ['often'], limit: 2 });

    assert.deepEqual(
      entries.map((entry) => entry.action),
      ['rare.two', 'rare.one'],
    );
  });
});

/** An entry that continues the chain with a proper hash, as somebody with access to the tables could write it. */
function forged(entries: readonly AuditEntry[]): object {
  const next = { seq: entries.length + 1, time: 1, actor: 'user:eve', action: 'x', subject: 'y', detail: null };
  return { ...next, detail: 'null', hash: chainHash(headOf(entries), next) };
}
