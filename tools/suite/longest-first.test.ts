import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { repositoryRoot } from '../bootstrap.mjs';
import { longestFirst, longFiles } from './longest-first.ts';
import { findTestFiles } from './selection.ts';

describe('the order of test files', () => {
  it('begins with the long ones that are selected, and keeps the others as they come', () => {
    const [longest = '', , third = ''] = longFiles;
    assert.deepEqual(longestFirst(['b.test.ts', third, 'a.test.ts', longest]), [
      longest,
      third,
      'b.test.ts',
      'a.test.ts',
    ]);
  });

  it('names files that are there, once each', () => {
    const files = new Set(findTestFiles(repositoryRoot));
    assert.deepEqual(
      longFiles.filter((file) => !files.has(file)),
      [],
    );
    assert.equal(new Set(longFiles).size, longFiles.length);
  });
});
