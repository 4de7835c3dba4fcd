import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { digestOf } from '#core/hash';
import { STEP_FILES_BYTES_MAX } from '../step-files.ts';
import { packFiles } from './files.ts';

async function folders(t: TestContext): Promise<{ readonly project: string; readonly outside: string }> {
  const root = await mkdtemp(join(tmpdir(), 'kedge-files-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const [project, outside] = [join(root, 'project'), join(root, 'project-of-others')];
  await mkdir(join(project, 'lib'), { recursive: true });
  await mkdir(outside);
  await writeFile(join(project, 'train.py'), 'print(1)\n');
  await writeFile(join(project, 'lib', 'data.bin'), Buffer.from([0, 255, 254, 10]));
  await writeFile(join(outside, 'secret.txt'), 'secret');
  return { project, outside };
}

const specOf = (files: unknown) => ({ name: 'p', spec: { steps: [{ name: 'train', command: ['python3'], files }] } });

test('files of steps are read beside the project file, and digests stand in the place of their paths', async (t) => {
  const { project } = await folders(t);
  await symlink('train.py', join(project, 'link.py'));
  const known = digestOf('kept');
  const files = { 'a.py': './train.py', 'data/b.bin': 'lib/data.bin', 'c.py': 'link.py', d: known };

  const { spec, contents } = await packFiles(specOf(files), project);

  const [script, data] = [digestOf('print(1)\n'), digestOf(Buffer.from([0, 255, 254, 10]))];
  assert.deepEqual(spec['steps'], [
    { name: 'train', command: ['python3'], files: { 'a.py': script, 'data/b.bin': data, 'c.py': script, d: known } },
  ]);
  assert.deepEqual([...contents.keys()], [script, data]);
});

test('a file that lies outside of the project, is missing or too large is refused with step and file', async (t) => {
  const { project, outside } = await folders(t);
  await symlink(join(outside, 'secret.txt'), join(project, 'innocent.txt'));
  await symlink(outside, join(project, 'folder'));
  await writeFile(join(project, 'half.bin'), Buffer.alloc(STEP_FILES_BYTES_MAX / 2 + 1));
  await writeFile(join(project, 'other.bin'), Buffer.alloc(STEP_FILES_BYTES_MAX / 2));
  const refused = (files: unknown, message: RegExp) =>
    assert.rejects(packFiles(specOf(files), project), { code: 'pipelines/files-invalid', message });

  await refused(
    { a: '../project-of-others/secret.txt' },
    /^pipeline 'p', step 'train': files\.a: .* is outside of the/,
  );
  await refused({ a: 'innocent.txt' }, /files\.a: innocent\.txt is outside of the project directory/);
  await refused({ a: 'folder/secret.txt' }, /files\.a: folder\/secret\.txt is outside of the project directory/);
  await refused({ a: join(project, 'train.py') }, /files\.a: .* is absolute/);
  await refused({ a: 'lost.py' }, /files\.a: lost\.py does not exist/);
  await refused({ a: 'lib' }, /files\.a: lib is not a file/);
  await refused({ a: 'half.bin', b: 'other.bin' }, /files\.b: other\.bin has 4194304 bytes; all files of a step have/);
  const many = Object.fromEntries(Array.from({ length: 201 }, (_, i) => [`f${i}`, 'train.py']));
  await refused(many, /files has 201 files, the limit is 200/);
});

test('what cannot be a pipeline is left for the schema to refuse', async (t) => {
  const { project } = await folders(t);
  for (const spec of [{}, { steps: 'no' }, { steps: [null, 3, { files: [] }, { files: { a: 1 } }] }]) {
    assert.deepEqual((await packFiles({ name: 'p', spec }, project)).spec, spec);
  }
});
