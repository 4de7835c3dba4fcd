import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ensureConsole } from '../bootstrap.mjs';
import { consoleHash } from './console.mjs';
import { writeStamp } from './stamp.mjs';

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

  it('is made stale by its sources, the contracts, the client, the core and the lock', () => {
    const seen = new Set([consoleHash(root)]);
    const shared = [
      'ui/main.tsx',
      'ui/kit/table.css',
      'src/datasets/contract.ts',
      'src/tracking/contract/runs.ts',
      'src/platform/contract/route.ts',
      'src/client/index.ts',
      'src/core/units.ts',
      'package-lock.json',
    ];
    for (const path of shared) {
      write(path, '{ "changed": true }');
      const hash = consoleHash(root);
      assert.equal(seen.has(hash), false, path);
      seen.add(hash);
    }
  });

  it('is not made stale by what the browser never sees', () => {
    const before = consoleHash(root);
    for (const path of ['src/datasets/service.ts', 'src/core/clock.test.ts', 'ui/dist/assets/index.js', 'README.md']) {
      write(path, 'changed');
      assert.equal(consoleHash(root), before, path);
    }
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
