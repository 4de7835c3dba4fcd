import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';

const testFiles: Readonly<Record<string, string>> = {
  'passes.test.ts': `
    describe('a suite', () => { it('holds', () => {}); it('holds too', () => {}); });
    it('holds alone', async (t) => { await t.test('a part', () => {}); });`,
  'fails.test.ts': `
    console.log('what the file printed');
    describe('a suite', () => { it('breaks', () => { throw new Error('one is not two'); }); it('holds', () => {}); });`,
  'skips.test.ts': `
    it('needs a service', { skip: 'no service here' }, () => {});
    describe('needs it too', { skip: 'no service here' }, () => { it('never runs', () => {}); });
    it('does not say why', { skip: true }, () => {});
    it('is for later', { todo: 'some day' }, () => {});`,
  'empty.test.ts': '',
  'broken.test.ts': `throw new Error('cannot be loaded');`,
};

const here = (name: string) => JSON.stringify(pathToFileURL(join(import.meta.dirname, name)).href);
const runner = `
  import { Tally } from ${here('tally.ts')};
  import { runTestFiles } from ${here('test-files.ts')};
  const tally = new Tally({ strict: false });
  const [root, ...files] = process.argv.slice(2);
  await runTestFiles(files, { root, tally, say: console.log });
  console.log(tally.summary());
`;

describe('running test files', () => {
  let root = '';
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'kedge-test-files-'));
    for (const [name, code] of Object.entries(testFiles)) {
      writeFileSync(join(root, name), `import { describe, it } from 'node:test';\nvoid describe, it;\n${code}`);
    }
    writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(root, 'runner.mjs'), runner);
  });
  after(() => rmSync(root, { recursive: true }));

  it('counts each test once, not its suite or file, and fails for the one that breaks', () => {
    assert.equal(run('passes.test.ts').closing, '4 passed, 0 failed, 0 skipped');
    const { closing, output } = run('passes.test.ts', 'fails.test.ts');
    assert.equal(closing, '5 passed, 1 failed, 0 skipped');
    assert.match(output, /✗ fails\.test\.ts: breaks\n\s+Error: one is not two/);
    assert.match(output, /what the file printed/);
    assert.doesNotMatch(output, /holds/);
  });

  it('reports skips with their reason, and takes a skip without one or a todo for a failure', () => {
    const { closing, output } = run('skips.test.ts');
    assert.equal(closing, '0 passed, 2 failed, 2 skipped');
    assert.match(output, /skips\.test\.ts: no service here \(2 tests\)/);
    assert.match(output, /does not say why\n\s+skipped without a reason/);
    assert.match(output, /is for later\n\s+is marked todo/);
  });

  it('tells how long each file took, also one that fails', () => {
    const { output } = run('passes.test.ts', 'broken.test.ts');
    for (const name of ['passes', 'broken'])
      assert.match(output, new RegExp(` [0-9]+\\.[0-9] s {2}${name}\\.test\\.ts\n`));
  });

  it('fails for a file without tests and for one that cannot be loaded', () => {
    assert.match(run('empty.test.ts').output, /holds no test/);
    const broken = run('broken.test.ts');
    assert.equal(broken.closing, '0 passed, 1 failed, 0 skipped');
    assert.match(broken.output, /cannot be loaded/);
  });

  /** In a process of its own, because a test runner inside a test runner reports to the outer one. */
  function run(...files: string[]): { output: string; closing: string | undefined } {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const args = [join(root, 'runner.mjs'), root, ...files];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
    return { output: stdout + stderr, closing: stdout.trim().split('\n').at(-1) };
  }
});
