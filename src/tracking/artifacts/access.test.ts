import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { type AccessContext, objectAccess } from '#platform/access';
import type { Context } from '#platform/db';
import { forEachDialect } from '#testing/databases';
import { createTracking, trackingMigrations } from '../index.ts';
import { artifactPlace } from './index.ts';

const ada: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };

/** Somebody without a role, who holds READ on one experiment of a project and EDIT on another. */
function bob(project: string, [read, edit]: readonly [string, string]): AccessContext {
  const actor = { id: 'user:bob', roles: [] };
  const objects = new Map([
    [`experiment/${read}`, 'READ'],
    [`experiment/${edit}`, 'EDIT'],
  ] as const);
  const grants = new Map([[project, { level: undefined, objects }]]);
  return { actor, action: 'test', project, access: objectAccess(actor, project, grants) };
}

forEachDialect('Access to artifacts', trackingMigrations, (openDb) => {
  test('is decided by the experiment that a file belongs to, whatever path it is asked for under', async (t) => {
    const database = await openDb();
    const root = await mkdtemp(join(tmpdir(), 'kedge-artifacts-'));
    t.after(async () => {
      await database.close();
      await rm(root, { recursive: true, force: true });
    });
    const tracking = createTracking({ ...database.deps, blobs: await openFsBlobStore({ root }) });
    const { artifacts } = tracking;
    const runs = [];
    for (const experiment of ['read', 'edit', 'none']) runs.push(await tracking.createRun(ada, { experiment }));
    const [read, edit, none] = runs.map((run) => run.experiment.id) as [string, string, string];
    const files = runs.flatMap(({ id, experiment }) => [
      `${experiment.id}/${id}/artifacts/f`,
      `${experiment.id}/traces/tr-1/artifacts/f`,
      `${experiment.id}/f`,
    ]);
    for (const path of files) await artifacts.put(ada, artifactPlace(path), Buffer.from(path));

    const asBob = bob('default', [read, edit]);
    for (const [i, path] of files.entries()) {
      const place = artifactPlace(path);
      const [find, put] = [() => artifacts.find(place, asBob), () => artifacts.put(asBob, place, Buffer.from('new'))];
      if (i < 6) assert.ok(await find(), path);
      else await assert.rejects(find(), { status: 404 }, path);
      if (i >= 3 && i < 6) assert.ok(await put(), path);
      else await assert.rejects(put(), { status: i < 3 ? 403 : 404 }, path);
      await assert.rejects(artifacts.find(place, bob('other', [read, edit])), { status: 404 }, path);
    }
    // Under the experiment that Bob may read, the files of the one that he may not are not there.
    const smuggled = artifactPlace(`${read}/${runs[2]?.id}/artifacts/f`);
    await assert.rejects(artifacts.find(smuggled, asBob), { status: 404 });
    await artifacts.put(ada, artifactPlace(`${none}/traces/tr-2/artifacts/f`), Buffer.from('x'));
    await assert.rejects(artifacts.find(artifactPlace(`${read}/traces/tr-2/artifacts/f`), asBob), { status: 404 });
  });
});
