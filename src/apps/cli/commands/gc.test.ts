import assert from 'node:assert/strict';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openSqlite } from '#adapters/sql/sqlite';
import { gather } from '#conformance/blob-store';
import { ManualClock } from '#core/clock';
import { realSystem } from '#core/system';
import { applyMigrations, type Context, Database, platformMigrations } from '#platform/db';
import { createLogger, createMetrics } from '#platform/observe';
import { Resources } from '#platform/resources';
import { createTracking, trackingMigrations } from '#tracking';
import { kedge } from '../testing.ts';

const DAY_MS = 86_400_000;
const ada: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };

/** A data directory as of forty days ago: a run that was deleted then, one that was not, and a file both have. */
async function installation(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'kedge-gc-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const then = Date.now() - 40 * DAY_MS;
  const store = openSqlite(join(dir, 'kedge.sqlite'));
  await applyMigrations(store, [...platformMigrations, ...trackingMigrations]);
  const system = { ...realSystem(), clock: new ManualClock(then) };
  const db = new Database(store, system);
  const blobs = await openFsBlobStore({ root: join(dir, 'blobs') });
  const observed = { logger: createLogger('test', 'fatal'), metrics: createMetrics('test') };
  const tracking = createTracking({ db, system, blobs, resources: new Resources(db, []), ...observed });
  const runs: string[] = [];
  for (const name of ['deleted', 'kept']) {
    const { id } = await tracking.createRun(ada, { experiment: 'delays' });
    const put = (path: string, content: string) =>
      tracking.artifacts.put(ada, { owner: { kind: 'run', id }, path }, Buffer.from(content));
    await put('own.txt', `of the run that is ${name}`);
    await put('common.txt', 'of both runs');
    runs.push(id);
  }
  await tracking.deleteRun(ada, runs[0] ?? '');
  for (const { digest } of await gather(blobs.list())) {
    await utimes(await blobs.localPath(digest), then / 1_000, then / 1_000);
  }
  await db.close();
  const stored = async () => (await gather(blobs.list())).length;
  return { dir, stored };
}

test('kedge gc removes runs deleted long ago and the content that only they had, once told to', async (t) => {
  const { dir, stored } = await installation(t);
  const gc = (...args: readonly string[]) => kedge(['gc', '--data', dir, ...args], { HOME: '/nonexistent' });
  const purged = {
    runs: 1,
    loggedModels: 0,
    experiments: 0,
    files: 2,
    bytes: 'of the run that is deleted'.length + 'of both runs'.length,
  };

  const young = JSON.parse((await gc('--older-than', '50d', '--json')).stdout);
  assert.deepEqual([young.purged.runs, young.content.removed.blobs, await stored()], [0, 0, 3]);
  const planned = await gc('--dry-run');
  assert.match(
    planned.stdout,
    /^deleted long ago: 1 runs, 0 logged models and 0 experiments would be removed, with 2 files of 38 B$/m,
  );
  assert.deepEqual(JSON.parse((await gc('--dry-run', '--json')).stdout).purged, purged);
  assert.equal(await stored(), 3);

  const done = JSON.parse((await gc('--json')).stdout);
  assert.deepEqual([done.dryRun, done.purged, done.content.removed.blobs], [false, purged, 1]);
  assert.equal(await stored(), 2);
  const verified = await kedge(['audit', 'verify', '--data', dir], { HOME: '/nonexistent' });
  assert.match(verified.stdout, /the chain is whole/);
});

test('kedge gc refuses a place without data, and a duration that is none', async (t) => {
  const { dir } = await installation(t);
  const absent = await kedge(['gc', '--data', join(dir, 'none')]);
  assert.deepEqual([absent.code, /kedge\.sqlite is not there/.test(absent.stderr)], [1, true]);
  const wrong = await kedge(['gc', '--data', dir, '--older-than', 'long']);
  assert.deepEqual([wrong.code, /--older-than: 'long' is not a duration/.test(wrong.stderr)], [1, true]);
});
