import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { lockHash, matchesInstalled, readStamp, writeStamp } from './stamp.mjs';

describe('telling whether node_modules is stale', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kedge-stamp-'));
    mkdirSync(join(root, 'node_modules'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const write = (path: string, packages: object) => writeFileSync(join(root, path), JSON.stringify({ packages }));
  const pinned = { version: '1.0.0', integrity: 'sha512-a' };

  it('hashes the lock: any change of it makes a stamp stale', () => {
    write('package-lock.json', { 'node_modules/a': pinned });
    const stamp = join(root, 'node_modules', '.kedge-stamp');
    assert.equal(readStamp(stamp), undefined);
    writeStamp(stamp, lockHash(root));
    assert.equal(readStamp(stamp), lockHash(root));
    write('package-lock.json', { 'node_modules/a': { ...pinned, version: '1.0.1' } });
    assert.notEqual(readStamp(stamp), lockHash(root));
  });

  it('takes over a tree in which npm installed exactly what is locked', () => {
    write('package-lock.json', {
      '': {},
      'node_modules/a': pinned,
      'node_modules/b-win32': { ...pinned, optional: true },
    });
    write('node_modules/.package-lock.json', { 'node_modules/a': pinned });
    assert.equal(matchesInstalled(root), true);
  });

  it('does not take over a tree with another version, another content, or a package missing', () => {
    write('package-lock.json', { '': {}, 'node_modules/a': pinned });
    for (const installed of [
      {},
      { 'node_modules/a': { ...pinned, version: '0.9.0' } },
      { 'node_modules/a': { ...pinned, integrity: 'sha512-b' } },
    ]) {
      write('node_modules/.package-lock.json', installed);
      assert.equal(matchesInstalled(root), false, JSON.stringify(installed));
    }
  });

  it('does not take over a tree that npm did not finish', () => {
    write('package-lock.json', { 'node_modules/a': pinned });
    assert.equal(matchesInstalled(root), false);
    writeFileSync(join(root, 'node_modules/.package-lock.json'), '{ "packages": {');
    assert.equal(matchesInstalled(root), false);
  });
});
