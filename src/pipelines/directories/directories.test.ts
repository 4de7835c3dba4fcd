import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { digestOf } from '#core/hash';
import { canonicalJson } from '#core/json';
import { atOnce } from './at-once.ts';
import { DIRECTORY_FILES_MAX } from './manifest.ts';
import { packDirectory } from './pack.ts';
import { unpackDirectory } from './unpack.ts';

async function open(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'kedge-directories-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const blobs = await openFsBlobStore({ root: join(root, 'blobs') });
  const write = async (name: string, files: Readonly<Record<string, string>>): Promise<string> => {
    await mkdir(join(root, name), { recursive: true });
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, name, path)), { recursive: true });
      await writeFile(join(root, name, path), text);
    }
    return join(root, name);
  };
  const refused = async (folder: string, message: RegExp): Promise<void> =>
    assert.rejects(packDirectory(blobs, folder), { code: 'pipelines/directory-invalid', message });
  return { root, blobs, write, refused };
}

test('equal content has an equal digest, in whichever order it was written, and comes back as it was', async (t) => {
  const { root, blobs, write } = await open(t);
  const files = { MLmodel: 'flavors', 'data/model.bin': 'weights', 'data/Zoë 1.txt': '', 'data.txt': 'b' };
  const one = await packDirectory(blobs, await write('one', files));
  const reversed = Object.fromEntries(Object.entries(files).reverse());
  const other = await write('two', reversed);
  await mkdir(join(other, 'empty', 'folders'), { recursive: true });

  assert.deepEqual(await packDirectory(blobs, other), one);
  assert.deepEqual(one.directory, { files: 4, bytes: 15 });
  const text = Buffer.from(await blobs.read(one.digest)).toString();
  const listed = Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, content]) => ({ path, digest: digestOf(content), bytes: Buffer.byteLength(content) }));
  assert.equal(text, canonicalJson({ kind: 'directory', files: listed }));

  await unpackDirectory(blobs, one.digest, join(root, 'back'));
  for (const [path, content] of Object.entries(files)) {
    assert.equal(await readFile(join(root, 'back', path), 'utf8'), content);
    await writeFile(join(root, 'back', path), 'written to');
  }
  assert.equal(Buffer.from(await blobs.read(digestOf('weights'))).toString(), 'weights');
});

test('an empty directory is one like any other', async (t) => {
  const { root, blobs, write } = await open(t);

  const empty = await packDirectory(blobs, await write('empty', {}));

  assert.deepEqual(empty.directory, { files: 0, bytes: 0 });
  await unpackDirectory(blobs, empty.digest, join(root, 'back'));
  assert.deepEqual(await readdir(join(root, 'back')), []);
});

test('links, pipes and names that cannot be kept are refused with their path', async (t) => {
  const { root, write, refused } = await open(t);
  const linked = await write('linked', { 'a/b.txt': 'x' });
  await symlink('/etc/passwd', join(linked, 'a', 'outside'));
  await refused(linked, /has the link "a\/outside"/);
  const inner = await write('inner', { 'b.txt': 'x' });
  await symlink('b.txt', join(inner, 'inside'));
  await refused(inner, /has the link "inside": write what it leads to in its place/);
  const around = await write('around', {});
  await symlink('.', join(around, 'loop'));
  await refused(around, /has the link "loop"/);
  await symlink(linked, join(root, 'itself'));
  await refused(join(root, 'itself'), /is a link: write the directory itself/);
  const piped = await write('piped', {});
  execFileSync('mkfifo', [join(piped, 'pipe')]);
  await refused(piped, /has "pipe", which is no regular file/);
  await refused(await write('broken', { 'a\nb': 'x' }), /has the path "a\\nb": expected UTF-8/);
  const bytes = await write('bytes', {});
  await writeFile(Buffer.concat([Buffer.from(`${bytes}/`), Buffer.from([0xff, 0xfe])]), 'x');
  await refused(bytes, /expected UTF-8/);
});

test('too many files, folders and too long paths are refused', async (t) => {
  const { blobs, write, refused } = await open(t);
  const many = await write('many', {});
  await atOnce(
    Array.from({ length: DIRECTORY_FILES_MAX + 1 }, (_, i) => i),
    (i) => writeFile(join(many, `f${i}`), ''),
  );
  await refused(many, /has more than 10000 files/);
  await rm(join(many, 'f0'));
  assert.deepEqual((await packDirectory(blobs, many)).directory, { files: DIRECTORY_FILES_MAX, bytes: 0 });
  const part = 'd'.repeat(99);
  await refused(await write('deep', { [`${`${part}/`.repeat(5)}x`]: '' }), /is longer than 500 characters/);
  const folders = await write('folders', {});
  await atOnce(
    Array.from({ length: 10_000 }, (_, i) => i),
    async (i) => void (await mkdir(join(folders, `f${i}`))),
  );
  await refused(folders, /has more than 10000 folders/);
});

test('a manifest that somebody else wrote never leads out of the folder, and is taken in one form only', async (t) => {
  const { root, blobs, write } = await open(t);
  const { digest: file } = await blobs.put(Buffer.from('evil'));
  const entry = (path: string) => ({ path, digest: file, bytes: 4 });
  const forged = async (text: string): Promise<void> => {
    const { digest } = await blobs.put(Buffer.from(text));
    await assert.rejects(
      unpackDirectory(blobs, digest, join(root, 'back')),
      { code: 'pipelines/directory-invalid' },
      text.slice(0, 200),
    );
  };
  const of = (...files: readonly object[]) => canonicalJson({ kind: 'directory', files });
  for (const path of ['../x', 'a/../../x', '/etc/x', '', '.', 'a//b', 'a/', './a', 'a\0b', `${'a/'.repeat(250)}b`]) {
    await forged(of(entry(path)));
  }
  await forged(of(entry('b'), entry('a')));
  await forged(of(entry('a'), entry('a')));
  await forged(of(entry('a'), entry('a/b')));
  await forged(of({ ...entry('a'), link: '/etc/passwd' }));
  await forged(JSON.stringify({ files: [entry('a')], kind: 'directory' }));
  await forged('{"kind":"directory"}');
  await forged('no JSON');
  await forged(
    of(...Array.from({ length: DIRECTORY_FILES_MAX + 1 }, (_, i) => entry(`f${String(i).padStart(5, '0')}`))),
  );
  assert.deepEqual(await readdir(root), ['blobs']);
  const real = await packDirectory(blobs, await write('real', { 'a/b': '1' }));
  await blobs.delete(digestOf('1'));
  await assert.rejects(unpackDirectory(blobs, real.digest, join(root, 'back')), { code: 'blob/not-found' });
});
