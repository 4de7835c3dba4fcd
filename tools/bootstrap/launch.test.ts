import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';

describe('running Kedge with another Node', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kedge-launch-'));
    const launch = JSON.stringify(pathToFileURL(join(import.meta.dirname, 'launch.mjs')).href);
    writeFileSync(
      join(folder, 'outer.mjs'),
      `import { launch } from ${launch}; launch(process.execPath, process.argv[2], process.argv.slice(3));`,
    );
    writeFileSync(
      join(folder, 'inner.mjs'),
      `const [task] = process.argv.slice(2);
      if (task === 'print') console.log(process.argv.slice(2).join(' '), process.execArgv.join(' '));
      if (task === 'exit') process.exit(7);
      if (task === 'die') process.kill(process.pid, 'SIGKILL');
      if (task === 'wait') {
        for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => {
          console.log('got ' + signal);
          process.exit(3);
        });
        setInterval(() => undefined, 1000);
        console.log('ready');
      }`,
    );
  });
  after(() => rmSync(folder, { recursive: true }));

  function start(...args: string[]) {
    const child = spawn(process.execPath, [join(folder, 'outer.mjs'), join(folder, 'inner.mjs'), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output: string[] = [];
    child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text));
    return { child, closed: once(child, 'close'), text: () => output.join('') };
  }

  it('hands on the arguments, with experimental warnings turned off', async () => {
    const { closed, text } = start('print', '--flag', 'two words');
    await closed;
    assert.equal(text(), 'print --flag two words --disable-warning=ExperimentalWarning\n');
  });

  it('ends with the same exit code or signal', async () => {
    assert.deepEqual(await start('exit').closed, [7, null]);
    assert.deepEqual(await start('die').closed, [null, 'SIGKILL']);
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`hands on ${signal} and waits for the answer`, async () => {
      const { child, closed, text } = start('wait');
      await once(child.stdout, 'data');
      child.kill(signal);
      assert.deepEqual(await closed, [3, null]);
      assert.match(text(), new RegExp(`got ${signal}`));
    });
  }
});
