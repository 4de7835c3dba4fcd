import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Tally } from './tally.ts';

const skip = { name: 'reads from PostgreSQL', file: 'src/a.test.ts', reason: 'KEDGE_TEST_POSTGRES_URL is not set' };

function lastLine(tally: Tally): string | undefined {
  return tally.summary().split('\n').at(-1);
}

describe('the tally of a test run', () => {
  it('ends with the counts as its last line', () => {
    const tally = new Tally({ strict: false });
    tally.pass();
    tally.pass();
    tally.skip(skip);
    assert.equal(lastLine(tally), '2 passed, 0 failed, 1 skipped');
    assert.equal(tally.exitCode, 0);
  });

  it('fails the run for one failure and names it', () => {
    const tally = new Tally({ strict: false });
    tally.fail({ name: 'adds', file: 'src/b.test.ts', message: '1 is not 2' });
    assert.equal(tally.exitCode, 1);
    assert.match(tally.summary(), /src\/b\.test\.ts: adds/);
    assert.equal(lastLine(tally), '0 passed, 1 failed, 0 skipped');
  });

  it('lists the reason of a skip once per file', () => {
    const tally = new Tally({ strict: false });
    tally.skip(skip);
    tally.skip({ ...skip, name: 'writes to PostgreSQL' });
    const reasons = tally
      .summary()
      .split('\n')
      .filter((line) => line.includes(skip.reason));
    assert.deepEqual(reasons, [`  src/a.test.ts: ${skip.reason} (2 tests)`]);
  });

  it('names the ten files that took longest, the longest first, before anything else', () => {
    const tally = new Tally({ strict: false });
    tally.skip(skip);
    for (let i = 1; i <= 12; i++) tally.took(`src/${i}.test.ts`, i * 10);
    const lines = tally.summary().split('\n');
    assert.deepEqual(lines.slice(0, 3), ['Slowest files:', '  120.0 s  src/12.test.ts', '  110.0 s  src/11.test.ts']);
    assert.equal(lines[10], '   30.0 s  src/3.test.ts');
    assert.equal(lines[11], 'Skipped:');
    assert.equal(lines.at(-1), '0 passed, 0 failed, 1 skipped');
  });

  it('fails the run for a skip in strict mode, and says why it was skipped', () => {
    const tally = new Tally({ strict: true });
    tally.pass();
    tally.skip(skip);
    assert.equal(tally.exitCode, 1);
    assert.match(tally.summary(), /KEDGE_TEST_POSTGRES_URL is not set/);
    assert.equal(lastLine(tally), '1 passed, 0 failed, 1 skipped');
  });
});
