import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from './clock.ts';
import { Outage } from './outage.ts';

test('an outage is told once, when it has lasted longer than a start takes', async () => {
  const clock = new ManualClock();
  const outage = new Outage(clock, { quietMs: 5_000 });
  const told: boolean[] = [];
  for (let second = 0; second <= 12; second += 2) {
    told.push(outage.failed());
    await clock.advance(2_000);
  }

  assert.deepEqual(told, [false, false, false, true, false, false, false]);
  assert.equal(outage.over(), true);
  assert.equal(outage.over(), false);
});

test('an outage that nobody was told of ends without a word, and the next one has its quiet time again', async () => {
  const clock = new ManualClock();
  const outage = new Outage(clock, { quietMs: 5_000 });
  for (let row = 0; row < 3; row++) {
    assert.equal(outage.failed(), false);
    await clock.advance(4_000);
    assert.equal(outage.failed(), false);
    assert.equal(outage.over(), false);
    await clock.advance(4_000);
  }
});
