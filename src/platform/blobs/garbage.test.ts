import assert from 'node:assert/strict';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { gather } from '#conformance/blob-store';
import { type Digest, digestOf } from '#core/hash';
import { canonicalJson } from '#core/json';
import type { Migration } from '#platform/db';
import { forEachDialect, type OpenDatabase } from '#testing/databases';
import { collectGarbage } from './index.ts';

const DAY_MS = 86_400_000;

/** Tables of every sort: of files, of manifests, and a log that keeps nothing alive. */
const migrations: readonly Migration[] = [
  {
    name: 'test/001-holders',
    async up(db) {
      for (const table of ['tracking_file', 'pipeline_step', 'audit_note']) {
        await db.schema
          .createTable(table)
          .addColumn('id', 'integer', (c) => c.primaryKey())
          .addColumn('value', 'text')
          .execute();
      }
    },
  },
];

async function open(t: TestContext, openDb: OpenDatabase) {
  const database = await openDb();
  const root = await mkdtemp(join(tmpdir(), 'kedge-garbage-'));
  t.after(async () => {
    await database.close();
    await rm(root, { recursive: true, force: true });
  });
  const blobs = await openFsBlobStore({ root });
  const now = Date.now() + 10 * DAY_MS;
  const collect = (options: { dryRun?: boolean; graceMs?: number } = {}) =>
    collectGarbage({ db: database.db, blobs, now, dryRun: false, ...options });
  const put = async (content: string): Promise<Digest> => (await blobs.put(Buffer.from(content))).digest;
  const refer = (table: string, value: string) =>
    database.db.maintain(async ({ db }) => {
      const { count } = await db
        .selectFrom(table)
        .select((e) => e.fn.countAll().as('count'))
        .executeTakeFirstOrThrow();
      await db
        .insertInto(table)
        .values({ id: Number(count) + 1, value })
        .execute();
    });
  const stored = async () => (await gather(blobs.list())).map(({ digest }) => digest);
  return { blobs, collect, put, refer, stored, now };
}

forEachDialect('Garbage of the blob store', migrations, (openDb) => {
  test('is what no row refers to, whether by itself or within JSON; a log keeps nothing alive', async (t) => {
    const { collect, put, refer, stored } = await open(t, openDb);
    const file = await put('a file');
    const nested = await put('an output');
    const logged = await put('only in the audit log');
    const orphan = await put('of an upload that broke off');
    await refer('tracking_file', file);
    await refer('pipeline_step', JSON.stringify({ outputs: { model: { digest: nested } } }));
    await refer('audit_note', JSON.stringify({ digest: logged }));

    const plan = await collect({ dryRun: true });
    assert.equal((await stored()).length, 4);
    const done = await collect();
    assert.deepEqual(done, plan);
    assert.deepEqual(done.removed, {
      blobs: 2,
      bytes: 'only in the audit log'.length + 'of an upload that broke off'.length,
    });
    assert.deepEqual(
      done.examples.map(({ digest }) => digest),
      [logged, orphan].sort(),
    );
    assert.deepEqual(await stored(), [file, nested].sort());
    assert.deepEqual((await collect()).removed, { blobs: 0, bytes: 0 });
  });

  test('is not what a manifest lists, nor what a manifest in a manifest lists', async (t) => {
    const { collect, put, refer, stored } = await open(t, openDb);
    const segment = await put('a segment');
    const inner = await put(canonicalJson({ blobs: [{ digest: segment }] }));
    const outer = await put(canonicalJson([inner]));
    const notFollowed = await put('named by a file only');
    const file = await put(`{"note": "${notFollowed}"}`);
    await refer('pipeline_step', JSON.stringify({ inputs: outer, absent: digestOf('never stored') }));
    await refer('tracking_file', file);

    assert.deepEqual((await collect()).removed.blobs, 1);
    assert.deepEqual(await stored(), [segment, inner, outer, file].sort());
  });

  test('is not what was put lately, or put again', async (t) => {
    const { collect, put, blobs, stored, now } = await open(t, openDb);
    const old = await put('old');
    const again = await put('again');
    const lately = await put('lately');
    const at = (ageMs: number) => new Date(now - ageMs);
    for (const digest of [old, again]) await utimes(await blobs.localPath(digest), at(3 * DAY_MS), at(3 * DAY_MS));
    await utimes(await blobs.localPath(lately), at(DAY_MS / 2), at(DAY_MS / 2));
    // Between the plan and the removal somebody puts the same content, to refer to it in a moment.
    const { list } = blobs;
    blobs.list = async function* () {
      for await (const blob of list.call(blobs)) {
        if (blob.digest === again) await utimes(await blobs.localPath(again), at(0), at(0));
        yield blob;
      }
    };
    const { removed, recent } = await collect();
    assert.deepEqual([removed.blobs, recent.blobs], [1, 1]);
    assert.deepEqual(await stored(), [again, lately].sort());
    await assert.rejects(collect({ graceMs: 60_000 }), { code: 'blob/invalid-grace' });
  });
});
