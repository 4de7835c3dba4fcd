import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { withExclusive } from './exclusive.mjs';

describe('the lock against two at once', () => {
  let folder = '';
  let path = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kedge-lock-'));
    path = join(folder, 'lock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const quiet = () => undefined;

  it('is gone after the work, also when the work failed', async () => {
    assert.equal(await withExclusive(path, 'working', async () => existsSync(path), quiet), true);
    assert.equal(existsSync(path), false);
    await assert.rejects(
      withExclusive(path, 'working', () => Promise.reject(new Error('broken')), quiet),
      /broken/,
    );
    assert.equal(existsSync(path), false);
  });

  it('lets processes in one after the other, and tells the one that waits', async () => {
    const script = join(folder, 'contend.mjs');
    writeFileSync(
      script,
      `import { appendFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
      import { withExclusive } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, 'exclusive.mjs')).href)};
      for (let round = 0; round < 5; round += 1) {
        await withExclusive(${JSON.stringify(path)}, 'counting', async () => {
          writeFileSync(${JSON.stringify(join(folder, 'inside'))}, '', { flag: 'wx' });
          await new Promise((done) => setImmediate(done));
          rmSync(${JSON.stringify(join(folder, 'inside'))});
          appendFileSync(${JSON.stringify(join(folder, 'rounds'))}, '.');
        });
      }`,
    );
    const contenders = [1, 2, 3].map(() =>
      spawn(process.execPath, [script], { stdio: ['ignore', 'ignore', 'inherit'] }),
    );
    const exits = await Promise.all(contenders.map((child) => once(child, 'exit')));
    assert.deepEqual(
      exits.map(([code]) => code),
      [0, 0, 0],
    );
  });

  it('is taken over from a process that died', async () => {
    const { pid } = spawnSync(process.execPath, ['--eval', '0']);
    writeFileSync(path, `${pid}\n`);
    assert.equal(await withExclusive(path, 'working', async () => 'done', quiet), 'done');
  });

  it('is taken over when nobody touched it for long, whoever has that process id now', async () => {
    writeFileSync(path, `${process.pid}\n`);
    const longAgo = new Date(Date.now() - 60_000);
    utimesSync(path, longAgo, longAgo);
    assert.equal(await withExclusive(path, 'working', async () => 'done', quiet), 'done');
  });

  it('is waited for while its holder lives', async () => {
    writeFileSync(path, `${process.pid}\n`);
    const said: string[] = [];
    let isReleased = false;
    const waiting = withExclusive(
      path,
      'installing',
      async () => isReleased,
      (line) => {
        said.push(line);
        isReleased = true;
        rmSync(path);
      },
    );
    assert.equal(await waiting, true);
    assert.match(said.join(), /Another process is installing/);
  });
});
