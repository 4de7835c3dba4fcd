import assert from 'node:assert/strict';
import { type ChildProcess, type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { logErrors } from '#ports/event-log';
import { openLocalLog, openLocalLogReader } from './index.ts';

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-log-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The arguments that run module code in another process, with the door of this adapter and `folder` in scope. */
function script(folder: string, code: string): readonly string[] {
  const door = JSON.stringify(import.meta.resolve('./index.ts'));
  const head = `import { openLocalLog, openLocalLogReader } from ${door};
    import { writeSync } from 'node:fs';
    const folder = ${JSON.stringify(folder)};
    const say = (line) => writeSync(1, line + '\\n');`;
  return ['--input-type=module', '-e', `${head}\n${code}`];
}

function run(t: TestContext, folder: string, code: string): ChildProcessByStdio<null, Readable, null> {
  const child = spawn(process.execPath, script(folder, code), { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

describe('local log of a killed process', () => {
  it('gives back every record that was acknowledged before the kill', async (t) => {
    const folder = await temporaryFolder(t);
    const code = `
      const log = await openLocalLog({ folder, segmentBytes: 20000 });
      for (let i = 1; ; i++) {
        const { first, last } = log.appendSync([Buffer.from('a' + i), Buffer.alloc(i % 3000, i % 256)]);
        say(first + ' ' + last);
      }`;
    let acknowledged = 0;
    for (const kills of [300, 700]) {
      const child = run(t, folder, code);
      let count = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        acknowledged = Number(line.split(' ')[1]);
        if (++count === kills) child.kill('SIGKILL');
      }
      await ended(child);
      assert.equal(child.signalCode, 'SIGKILL');
    }
    const log = await openLocalLog({ folder });
    t.after(() => log.close());
    let after = 0;
    for (let page = await log.read({ after }); page.records.length > 0; page = await log.read({ after })) {
      for (const { offset, data } of page.records) {
        assert.equal(offset, after + 1);
        after = offset;
        if (offset % 2 === 1) assert.match(Buffer.from(data).toString(), /^a\d+$/);
        else assert.ok(new Set(data).size <= 1);
      }
    }
    assert.ok(after >= acknowledged && acknowledged >= 2_000, `${after} of ${acknowledged}`);
  });

  it('is taken over, with its lock', async (t) => {
    const folder = await temporaryFolder(t);
    const child = run(t, folder, `await openLocalLog({ folder }); say('open'); setInterval(() => {}, 1000);`);
    await once(child.stdout, 'data');
    const locked = { code: logErrors.locked.code, message: new RegExp(`process ${child.pid} writes`) };
    await assert.rejects(openLocalLog({ folder }), locked);
    child.kill('SIGKILL');
    await ended(child);
    const log = await openLocalLog({ folder });
    assert.match(await readFile(join(folder, 'lock'), 'utf8'), new RegExp(`^${process.pid} `));
    await assert.rejects(openLocalLog({ folder }), { message: new RegExp(`process ${process.pid} writes`) });
    await log.close();
    await assert.rejects(stat(join(folder, 'lock')), { code: 'ENOENT' });
  });

  it('is taken over by one of many that try at the same time', async (t) => {
    const folder = await temporaryFolder(t);
    await writeFile(join(folder, 'lock'), '999999999 1\n');
    const code = `
      const result = await openLocalLog({ folder }).then(() => 'won', (error) => error.code);
      say(result);
      setInterval(() => {}, 1000);`;
    const children = Array.from({ length: 4 }, () => run(t, folder, code));
    const results = await Promise.all(children.map(async (child) => String((await once(child.stdout, 'data'))[0])));
    const expected = ['won', ...Array(3).fill(logErrors.locked.code)].map((line) => `${line}\n`);
    assert.deepEqual(results.sort(), expected.sort());
  });

  it('is taken over by a process with the same pid, or when its pid is that of a younger process', async (t) => {
    const folder = await temporaryFolder(t);
    const stale = [`${process.pid} 1\n`, '', ...(process.platform === 'linux' ? [`${process.ppid} 1\n`] : [])];
    for (const content of stale) {
      await writeFile(join(folder, 'lock'), content);
      await (await openLocalLog({ folder })).close();
    }
  });
});

describe('local log of several processes', () => {
  it('can be followed by another process while it is written and trimmed', async (t) => {
    const folder = await temporaryFolder(t);
    const child = run(
      t,
      folder,
      `const reader = openLocalLogReader({ folder });
      let after = 0;
      let sum = 0;
      say('ready');
      while (after < 5000) {
        const page = await reader.read({ after, bytesMax: 10000 });
        for (const { offset, data } of page.records) {
          if (offset !== ++after || data.some((byte) => byte !== offset % 251)) throw new Error('wrong at ' + offset);
          sum += data.length;
        }
        if (page.records.length > 0) await reader.cursor('follower').set(after);
      }
      say(sum);`,
    );
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, 'ready');
    const log = await openLocalLog({ folder, segmentBytes: 50_000 });
    t.after(() => log.close());
    let sum = 0;
    for (let offset = 1; offset <= 5_000; ) {
      const records = Array.from({ length: 1 + (offset % 3) }, (_, i) => {
        return Buffer.alloc(((offset + i) * 7) % 400, (offset + i) % 251);
      }).slice(0, 5_001 - offset);
      log.appendSync(records);
      offset += records.length;
      for (const record of records) sum += record.length;
      if (offset % 100 < 3) await log.trim(await log.cursor('follower').get());
    }
    assert.equal((await lines.next()).value, String(sum));
    assert.ok((await log.trim(await log.cursor('follower').get())) > 4_000);
  });

  it('is empty to a reader before anybody writes', async (t) => {
    const reader = openLocalLogReader({ folder: join(await temporaryFolder(t), 'not-there') });
    assert.deepEqual(await reader.read({ after: 0 }), { records: [], last: 0 });
    assert.deepEqual([await reader.end(), await reader.start(), await reader.cursor('a').get()], [0, 0, 0]);
  });
});

describe('local log and the disk', () => {
  it('keeps nothing of an append for which there is no space, and goes on when there is', async (t) => {
    const folder = await temporaryFolder(t);
    const mount = `mount -t tmpfs -o size=256k tmpfs ${folder}`;
    if (spawnSync('unshare', ['-rm', 'sh', '-c', mount]).status !== 0) {
      return t.skip('needs unshare(1) and user namespaces to mount a small disk');
    }
    const code = `
      import { rmSync, statSync, writeFileSync } from 'node:fs';
      writeFileSync(folder + '/ballast', Buffer.alloc(100000));
      const log = await openLocalLog({ folder });
      let failure;
      for (let i = 0; !failure; i++) {
        try { log.appendSync([Buffer.alloc(9000, 1), Buffer.alloc(1001, 2)]); } catch (error) { failure = error; }
      }
      const end = await log.end();
      const clean = statSync(folder + '/00000000000000000000.log').size === (end / 2) * (20 + 8 + 10001);
      const reader = await openLocalLogReader({ folder }).end();
      rmSync(folder + '/ballast');
      const { first } = log.appendSync([Buffer.from('again')]);
      const page = await log.read({ after: end });
      say(JSON.stringify([failure.code, end > 10, clean, reader === end, first === end + 1, page.records.length]));`;
    const shell = ['-rm', 'sh', '-c', `${mount} && exec "$0" "$@"`, process.execPath];
    const { stdout } = spawnSync('unshare', [...shell, ...script(folder, code)], { encoding: 'utf8' });
    assert.equal(stdout.trim(), JSON.stringify([logErrors['no-space'].code, true, true, true, true, 1]));
  });

  it('writes once for each append, and flushes as it was told to', async (t) => {
    if (spawnSync('strace', ['-V']).status !== 0) return t.skip('needs strace to see system calls');
    const counts = async (fsync: string): Promise<{ writes: number; flushes: number }> => {
      const folder = await temporaryFolder(t);
      const trace = join(folder, 'trace');
      const code = `
        const { ManualClock } = await import(${JSON.stringify(import.meta.resolve('#core/clock'))});
        const clock = new ManualClock();
        const log = await openLocalLog({ folder: folder + '/log', fsync: '${fsync}', fsyncIntervalMs: 500, clock });
        for (let i = 0; i < 10; i++) {
          log.appendSync([Buffer.from('marked record'), Buffer.alloc(5000)]);
          await log.append([Buffer.from('marked record')]);
          await clock.advance(100);
        }
        await log.close();`;
      const options = ['-f', '-s', '200', '-o', trace, '-e', 'trace=write,pwrite64,fdatasync'];
      const child = spawnSync('strace', [...options, process.execPath, ...script(folder, code)]);
      assert.equal(child.status, 0);
      const lines = (await readFile(trace, 'utf8')).split('\n');
      return {
        writes: lines.filter((line) => line.includes('marked record')).length,
        flushes: lines.filter((line) => / fdatasync\(/.test(line)).length,
      };
    };
    assert.deepEqual(await counts('never'), { writes: 20, flushes: 0 });
    assert.deepEqual(await counts('always'), { writes: 20, flushes: 20 });
    assert.deepEqual(await counts('interval'), { writes: 20, flushes: 2 });
  });
});
