import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findTestFiles, SelectionError, select, stepNames } from './selection.ts';

describe('what npm test runs', () => {
  let root = '';
  const files = [
    'examples/churn/churn.test.ts',
    'src/core/clock.test.ts',
    'src/datasets/service.test.ts',
    'src/datasets/validation/validate.test.ts',
    'src/datasets-extra/other.test.ts',
    'test/browser/journey.test.ts',
    'test/tidy/tidy.test.ts',
  ];
  const others = [
    'src/datasets/service.ts',
    'src/datasets/node_modules/package/its.test.ts',
    'test/tidy/fixtures/clock/src/bad.test.ts',
    'ui/dist/built.test.ts',
  ];

  before(() => {
    root = mkdtempSync(join(tmpdir(), 'kedge-selection-'));
    for (const path of [...files, ...others]) {
      mkdirSync(join(root, dirname(path)), { recursive: true });
      writeFileSync(join(root, path), '');
    }
  });
  after(() => rmSync(root, { recursive: true }));

  it('finds test files everywhere but in packages, fixtures and built files', () => {
    assert.deepEqual(findTestFiles(root), [...files].sort());
  });

  it('is every step and every test when nothing is named, the tidy rules first', () => {
    const { steps, files: selected } = select(root, []);
    assert.deepEqual(steps, stepNames);
    assert.equal(selected[0], 'test/tidy/tidy.test.ts');
    assert.deepEqual([...selected].sort(), [...files].sort());
  });

  it('is the tests of a folder and no step when a folder is named', () => {
    assert.deepEqual(select(root, ['src/datasets']), {
      steps: [],
      files: ['src/datasets/service.test.ts', 'src/datasets/validation/validate.test.ts'],
    });
  });

  it('takes ./path, a trailing slash, a test file, and the source beside a test for the same thing', () => {
    for (const arg of ['./src/core', 'src/core/', 'src/core/clock.test.ts', 'src/core/clock.ts']) {
      assert.deepEqual(select(root, [arg]).files, ['src/core/clock.test.ts'], arg);
    }
  });

  it('takes steps by name, in their usual order and once', () => {
    assert.deepEqual(select(root, ['lint', 'typecheck', 'lint']), { steps: ['typecheck', 'lint'], files: [] });
    assert.deepEqual(select(root, ['tidy']).files, ['test/tidy/tidy.test.ts']);
  });

  it('builds the console for browser tests', () => {
    assert.deepEqual(select(root, ['test/browser']).steps, ['console']);
  });

  it('refuses what selects nothing, so that a misspelt path never looks like a success', () => {
    for (const arg of ['src/dataset-typo', 'src/datasets/missing.ts', '--watch']) {
      assert.throws(() => select(root, ['src/core', arg]), SelectionError, arg);
    }
  });
});
