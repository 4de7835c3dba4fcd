import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { holderOfLockFile, takeLockFile } from './lock-file.ts';

const ME = { pid: process.pid, word: 'of me' };

describe('a lock file', () => {
  let path: string;
  beforeEach(() => {
    path = join(mkdtempSync(join(tmpdir(), 'kedge-lock-file-')), 'lock');
  });
  afterEach(() => rmSync(dirname(path), { recursive: true }));

  it('names its holder and what it left word of until it is given back', () => {
    assert.equal(holderOfLockFile(path), undefined);
    const giveBack = taken('of me');
    assert.deepEqual(holderOfLockFile(path), ME);
    assert.deepEqual(takeLockFile(path, 'of another'), ME);
    giveBack();
    assert.equal(holderOfLockFile(path), undefined);
    taken('again');
    giveBack();
    assert.equal(existsSync(path), true, 'what is given back twice is not the next one');
  });

  it('is not that of a process which runs', () => {
    // The parent of this process runs; a lock of a version that wrote no time of its start is its too.
    writeFileSync(path, `${process.ppid}\nof a parent\n`);
    assert.deepEqual(takeLockFile(path), { pid: process.ppid, word: 'of a parent' });
    assert.deepEqual(holderOfLockFile(path), { pid: process.ppid, word: 'of a parent' });
  });

  it('is taken over from a process that is gone, and nothing stays beside it', () => {
    for (const content of ['999999999 1\nof a dead one\n', `${process.pid} 1\n`, '']) {
      writeFileSync(path, content);
      assert.equal(holderOfLockFile(path), undefined);
      const giveBack = taken('of me');
      assert.deepEqual(holderOfLockFile(path), ME);
      assert.deepEqual(readdirSync(dirname(path)), ['lock']);
      giveBack();
    }
  });

  function taken(word: string): () => void {
    const result = takeLockFile(path, word);
    if (typeof result !== 'function') assert.fail(`held by ${result.pid}`);
    return result;
  }
});
