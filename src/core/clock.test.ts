import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock, sleepToBeat } from './clock.ts';

test('loops of any pace wake on the multiples of it, and one that is all but there is passed over', async () => {
  const clock = new ManualClock(10_000);
  const woken: string[] = [];
  const wake = (name: string, everyMs: number) =>
    sleepToBeat(clock, everyMs).then(() => void woken.push(`${name} at ${clock.monotonic()}`));

  await clock.advance(130);
  const early = [wake('second', 1_000), wake('half', 500)];
  await clock.advance(780);
  const late = wake('late', 1_000);
  await clock.advance(1_090);
  await Promise.all([...early, late]);

  assert.deepEqual(woken, ['half at 10500', 'second at 11000', 'late at 12000']);
});
