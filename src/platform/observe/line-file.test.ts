import assert from 'node:assert/strict';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ManualClock, systemClock } from '#core/clock';
import { openLineFile } from './line-file.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-lines-'));
});
after(() => rm(folder, { recursive: true }));

const none = (why: string): void => assert.fail(why);

test('lines of several writers are appended whole, and none is lost when they close', async () => {
  const path = join(folder, 'logs', 'access.log');
  const writers = [0, 1].map(() => openLineFile(path, { clock: systemClock, onLoss: none }));
  for (let i = 0; i < 5_000; i++) for (const [w, file] of writers.entries()) file.write(`${w} ${i} ${'x'.repeat(80)}`);
  await Promise.all(writers.map((file) => file.close()));

  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  assert.equal(lines.length, 10_000);
  for (const w of [0, 1]) {
    const own = lines.filter((line) => line.startsWith(`${w} `)).map((line) => Number(line.split(' ')[1]));
    assert.deepEqual(own, [...own.keys()]);
  }
});

test('lines are gathered for half a second, and after a renaming come into a file of the name', async () => {
  const path = join(folder, 'renamed.log');
  const clock = new ManualClock();
  const file = openLineFile(path, { clock, onLoss: none });
  file.write('first');
  clock.advance(499);
  await assert.rejects(readFile(path), { code: 'ENOENT' });
  clock.advance(1);
  await file.close();
  await rename(path, `${path}.1`);
  file.write('second');
  await file.close();

  assert.equal(await readFile(`${path}.1`, 'utf8'), 'first\n');
  assert.equal(await readFile(path, 'utf8'), 'second\n');
});

test('a file that takes nothing is told of once, and neither it nor too many lines stop anybody', async () => {
  const told: string[] = [];
  const file = openLineFile('/dev/full', { clock: new ManualClock(), onLoss: (why) => told.push(why) });
  for (let i = 0; i < 300; i++) file.write('y'.repeat(100_000));
  await file.close();
  file.write('later');
  await file.close();

  assert.deepEqual(told.length, 2, told.join('\n'));
  assert.match(told.join('\n'), /faster than they can be written[\s\S]*ENOSPC/);
});
