import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ensureConsole } from '../bootstrap.mjs';
import { consoleHash } from './console.mjs';
import { consoleSources } from './console-sources.mjs';
import { writeStamp } from './stamp.mjs';

const SHARED = [
  'ui/main.tsx',
  'ui/kit/table.css',
  'src/datasets/contract.ts',
  'ui/pages/home.tsx',
  'src/datasets/spec.ts',
  'src/datasets/side-effect.ts',
  'src/datasets/model/index.ts',
  'src/core/units.ts',
  'package-lock.json',
] as const;

describe('telling whether the built console is stale', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kedge-console-'));
    write('package.json', '{}');
    write('package-lock.json', '{}');
    write('src/datasets/service.ts', 'export const a = 1;');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function write(path: string, text: string): void {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }

  it('does nothing and says why while there is no console', async () => {
    assert.deepEqual(await ensureConsole({ root }), { built: false, reason: 'ui/index.html does not exist' });
  });

  it('does nothing while the stamp is fresh', async () => {
    write('ui/index.html', '<div id="root"></div>');
    write('ui/dist/index.html', 'built');
    writeStamp(join(root, 'ui/dist/.kedge-stamp'), consoleHash(root));
    assert.deepEqual(await ensureConsole({ root }), { built: false, reason: 'ui/dist is fresh' });
  });

  it('is made stale by its sources, by what they import at whatever distance, and by the lock', () => {
    const imports = { '#core/*': './src/core/*.ts', '#datasets/contract': './src/datasets/contract.ts' };
    write('package.json', JSON.stringify({ imports }));
    write('ui/main.tsx', "import './kit/table.css';\nconst page = () => import('./pages/home.tsx');");
    write('ui/kit/table.css', 'td {}');
    write('ui/pages/home.tsx', "import {\n  type Batch,\n  batches,\n} from '#datasets/contract';");
    write('src/datasets/contract.ts', "export { spec } from './spec.ts';\nimport { DAY } from '#core/units';");
    write('src/datasets/spec.ts', "import './side-effect.ts';\nexport * as model from './model/index.ts';");
    write('src/datasets/side-effect.ts', 'start();');
    write('src/datasets/model/index.ts', "import { spec } from '../spec.ts';");
    write('src/core/units.ts', 'export const DAY = 1;');
    const seen = new Set([consoleHash(root)]);
    for (const path of SHARED) {
      const before = readFileSync(join(root, path), 'utf8');
      write(path, path.endsWith('.json') ? '{ "changed": true }' : `${before}\n// changed`);
      const hash = consoleHash(root);
      assert.equal(seen.has(hash), false, path);
      seen.add(hash);
      write(path, before);
    }
  });

  it('is not made stale by what the browser never sees', () => {
    write('package.json', JSON.stringify({ imports: { '#datasets': './src/datasets/service.ts' } }));
    write('ui/main.tsx', "import type { Service } from '#datasets';\nimport { a } from 'a-package';");
    const before = consoleHash(root);
    const unseen = ['src/datasets/service.ts', 'src/datasets/contract.ts', 'src/core/units.ts', 'README.md'];
    for (const path of [...unseen, 'ui/main.test.ts', 'ui/dist/assets/index.js']) {
      write(path, 'changed');
      assert.equal(consoleHash(root), before, path);
    }
  });

  it('knows every file that Vite puts into the console', async () => {
    const { build } = await import('vite');
    const repository = fileURLToPath(new URL('../..', import.meta.url));
    const bundled = new Set<string>();
    const plugin = {
      name: 'seen',
      moduleParsed: ({ id }: { id: string }) => void bundled.add(id.replace(/\?.*$/, '')),
    };
    await build({
      root: join(repository, 'ui'),
      build: { write: false, minify: false },
      plugins: [plugin],
      logLevel: 'error',
    });

    const ours = [...bundled].filter((id) => existsSync(id) && !id.includes('node_modules'));
    const known = new Set(consoleSources(repository));
    assert.ok(ours.length > 100);
    assert.deepEqual(
      ours.map((id) => relative(repository, id)).filter((path) => !known.has(path)),
      [],
    );
  });

  it('distinguishes content that moved from one file to another', () => {
    write('ui/a.ts', 'one');
    write('ui/b.ts', 'two');
    const before = consoleHash(root);
    write('ui/a.ts', 'two');
    write('ui/b.ts', 'one');
    assert.notEqual(consoleHash(root), before);
  });
});
