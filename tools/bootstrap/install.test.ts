import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explainFailure, npmCommand } from './install.mjs';
import { isRecentEnough } from './node-binary.mjs';

describe('explaining a failed install', () => {
  const cases: ReadonlyArray<readonly [string, number | string, RegExp]> = [
    ['', 'ENOENT', /npm was not found\. Install Node\.js/],
    ['sh: 1: npm: not found', 127, /npm was not found/],
    ['npm error code ENOTFOUND\nnpm error network request failed', 1, /registry cannot be reached/],
    ['npm error code EAI_AGAIN', 1, /registry cannot be reached/],
    ['npm error code ENOSPC\nnpm error nospc write', 1, /disk is full/],
    ['npm error code EACCES', 243, /may not be written/],
    ['npm error code EUSAGE\nnpm error Missing: a@1 from lock file', 1, /tools\/complete-lock\.mjs/],
    ['npm error code EINTEGRITY', 1, /not the one that was locked/],
    ['npm error code SELF_SIGNED_CERT_IN_CHAIN', 1, /does not trust/],
    ['npm error something else', 7, /npm ci failed \(7\)/],
  ];
  for (const [output, code, expected] of cases) {
    it(`says what to do about ${output.split('\n')[0] || code}`, () => {
      assert.match(explainFailure(output, code), expected);
    });
  }

  it('recognises a full disk by the disk, whatever npm stumbled over', () => {
    const output = 'npm error SyntaxError: Error parsing package.json: Unexpected end of JSON input';
    assert.match(explainFailure(output, 1, 4096), /disk is too full: .* 0 MB were free/);
    assert.match(explainFailure(output, 1, 10 ** 10), /npm ci failed \(1\)/);
  });

  it('shows what npm said, but not its pointers to logs and help', () => {
    const output = 'npm error code ENOSPC\n\nnpm error A complete log of this run can be found in: /x\n';
    const text = explainFailure(output, 1);
    assert.match(text, /npm said:\n {2}npm error code ENOSPC$/);
  });
});

describe('choosing npm and Node', () => {
  it('uses the npm that runs this script with the same Node, and no other package manager', () => {
    const npm = '/opt/node/lib/node_modules/npm/bin/npm-cli.js';
    assert.deepEqual(npmCommand({ npm_execpath: npm }).args, [npm]);
    assert.equal(npmCommand({ npm_execpath: '/opt/pnpm/bin/pnpm.cjs' }).command, 'npm');
    assert.equal(npmCommand({}).command, 'npm');
  });

  it('accepts Node 24 and later', () => {
    const versions = ['v24.0.0', 'v24.21.0', 'v26.1.0', 'v22.9.0', 'v20.20.2', 'v9.0.0', ''];
    assert.deepEqual(versions.filter(isRecentEnough), ['v24.0.0', 'v24.21.0', 'v26.1.0']);
  });
});
