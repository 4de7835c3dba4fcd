import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { openFsBlobStore } from '#adapters/blob/fs';
import { bundleOf, CODE_FILES_MAX, readBundle, storeBundle } from './bundle.ts';
import { importsOf } from './imports.ts';
import { packCode } from './pack.ts';
import { unpackCode } from './unpack.ts';

async function projectOf(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'kedge-code-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

test('imports are found wherever they stand, and nowhere else', () => {
  const source = [
    `import './side.ts';`,
    `import a, { b as c } from "./a.ts"; import type { T } from './types.ts';`,
    `import * as all from './all.ts'`,
    `import {\n  x,\n  type Y,\n} from './multi.ts';`,
    `export * from './again.ts'; export { z } from './z.ts'; export type { U } from './u.ts';`,
    `const lazy = await import('./lazy.ts');`,
    `import data from './data.json' with { type: 'json' };`,
    `import type from './named-type.ts';`,
    `// import './comment.ts'`,
    `/* import './block.ts' */`,
    `const text = "import './text.ts'"; const t = \`import './template.ts' \${f("import './inner.ts'")} x\`;`,
    `const regex = /import '.\\/regex.ts'[/"]/; const half = a / 2; import './after-regex.ts';`,
    `const nested = \`\${{ a: \`\${1}\` }.a}\`; import './after-template.ts';`,
    `export const from = './value.ts'; object.import('./method.ts');`,
  ].join('\n');

  assert.deepEqual(importsOf(source), [
    './side.ts',
    './a.ts',
    './all.ts',
    './multi.ts',
    './again.ts',
    './z.ts',
    './lazy.ts',
    './data.json',
    './named-type.ts',
    './after-regex.ts',
    './after-template.ts',
  ]);
});

test('a bundle has the modules that the root reaches, and equal projects have equal digests', async (t) => {
  const files = {
    'steps.ts': `import { a } from './lib/a.ts'; import 'kedge/steps'; export const train = () => a;`,
    'lib/a.ts': `import limits from '../limits.json' with { type: 'json' }; export const a = limits;`,
    'limits.json': '{"max": 3}',
    'unused.ts': 'export const no = 1;',
  };
  const [one, two] = [await projectOf(t, files), await projectOf(t, { ...files, 'unused.ts': 'other' })];

  const bundle = await packCode(join(one, 'steps.ts'));

  assert.deepEqual(Object.keys(bundle.files), ['lib/a.ts', 'limits.json', 'steps.ts']);
  assert.equal((await packCode(join(two, 'steps.ts'))).digest, bundle.digest);
});

test('code outside the project directory is refused, also through a link', async (t) => {
  const outside = await projectOf(t, { 'secret.ts': 'export const key = 1;' });
  const root = await projectOf(t, {
    'up.ts': `import '../${outside.split('/').at(-1)}/secret.ts';`,
    'link.ts': `import './linked.ts';`,
    'lost.ts': `import './lost';`,
    'image.ts': `import './image.png';`,
    'image.png': '',
  });
  await symlink(join(outside, 'secret.ts'), join(root, 'linked.ts'));
  const invalid = (file: string, message: RegExp) =>
    assert.rejects(packCode(join(root, file)), { code: 'pipelines/code-invalid', message });

  await invalid('up.ts', /up.ts imports .* outside the project directory/);
  await invalid('link.ts', /link.ts imports .* outside the project directory/);
  await invalid('lost.ts', /lost.ts imports .* does not exist/);
  await invalid('image.ts', /cannot be bundled/);
});

test('a bundle whose paths could leave its directory, or that is too large, is refused', () => {
  const invalid = { code: 'pipelines/code-invalid' };
  for (const path of ['../x.ts', '/x.ts', 'a/../x.ts', 'a//b.ts', 'x.sh', '..ts/../x.ts', 'a\\..\\x.ts']) {
    assert.throws(() => bundleOf({ [path]: '' }), invalid, path);
  }
  const many = Object.fromEntries(Array.from({ length: CODE_FILES_MAX + 1 }, (_, i) => [`f${i}.ts`, '']));
  assert.throws(() => bundleOf(many), { ...invalid, message: /201 files, the limit is 200/ });
  assert.throws(() => bundleOf({ 'a.ts': 'x'.repeat(9_000_000) }), { ...invalid, message: /the limit is 8388608/ });
});

test('an unpacked bundle runs, sees this package as kedge, and is written once', async (t) => {
  const project = await projectOf(t, {
    'steps.ts': `import { two } from './lib/two.ts';
      import meta from 'kedge/package.json' with { type: 'json' };
      console.log(meta.name, two satisfies number);`,
    'lib/two.ts': 'export const two: number = 2;',
  });
  const blobs = await openFsBlobStore({ root: join(project, 'blobs') });
  const bundle = await packCode(join(project, 'steps.ts'));
  await storeBundle(blobs, bundle);
  const dir = join(project, 'code');

  const places = await Promise.all([1, 2, 3].map(() => unpackCode(blobs, bundle.digest, dir)));

  const [place = ''] = places;
  const { stdout } = await promisify(execFile)(process.execPath, [join(place, 'steps.ts')]);
  assert.equal(stdout, 'kedge 2\n');
  assert.deepEqual(new Set(places).size, 1);
  assert.deepEqual(await readdir(dir), [bundle.digest.slice(7)]);
  assert.ok((await lstat(join(place, 'node_modules', 'kedge'))).isSymbolicLink());
  assert.equal(await readFile(join(place, 'lib/two.ts'), 'utf8'), 'export const two: number = 2;');
});

test('what is stored under the digest of the code is the bundle', async (t) => {
  const root = await projectOf(t, {});
  const blobs = await openFsBlobStore({ root });
  const bundle = bundleOf({ 'steps.ts': 'export const a = "\u00e9";' });

  await storeBundle(blobs, bundle);

  assert.deepEqual(await readBundle(await blobs.get(bundle.digest)), bundle);
  await assert.rejects(
    readBundle(
      (async function* () {
        yield Buffer.from('{"files": {"a.ts": 1}}');
      })(),
    ),
    { code: 'pipelines/code-invalid' },
  );
});
