import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { packDirectory } from '#pipelines';
import { objectAccess } from '#platform/access';
import { pipelineContent } from './pipeline-content.ts';

test('whoever registers a version from a run finds the files of a directory below its name', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'kedge-content-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const blobs = await openFsBlobStore({ root: join(root, 'blobs') });
  await mkdir(join(root, 'model', 'data'), { recursive: true });
  await writeFile(join(root, 'model', 'MLmodel'), 'flavors');
  await writeFile(join(root, 'model', 'data', 'a.bin'), 'weights');
  const model = await packDirectory(blobs, join(root, 'model'));
  const notes = await blobs.put(Buffer.from('notes'));
  const outputs = { model, 'notes.txt': notes };
  const run = async () => ({ steps: [{ outputs }] });
  const actor = { id: 'user:ada', roles: ['admin'] };
  const access = objectAccess(actor, 'default');
  const context = { actor, access, project: 'default', action: 'registry.create', requestId: 'r1' };

  const content = await pipelineContent(() => ({ run }), blobs)(context, 'prun_1');

  const files = (await content?.files('')) ?? [];
  assert.deepEqual(
    files.map(({ path, bytes }) => [path, bytes]),
    [
      ['model/MLmodel', 7],
      ['model/data/a.bin', 7],
      ['notes.txt', 5],
    ],
  );
});
