import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import { Leader } from './leader.ts';

forEachDialect('The leader among processes over one database', [], (open) => {
  test('one leads, and another takes over when it falls silent or leaves', async (t) => {
    const { db, system, clock, close } = await open();
    t.after(close);
    const [first, second] = [new Leader(db, system), new Leader(db, system)];

    assert.deepEqual([await first.leads(), await second.leads()], [true, false]);
    await clock.advance(2_000);
    assert.deepEqual([await first.leads(), await second.leads()], [true, false], 'the lead is renewed');

    await clock.advance(3_001);
    assert.deepEqual([await second.leads(), await first.leads()], [true, false], 'a silent leader is followed');

    await second.leave();
    await clock.advance(1_000);
    assert.deepEqual([await second.leads(), await first.leads()], [false, true]);
  });

  test('a lead that a wrong clock has given for an hour does not hold', async (t) => {
    const { db, system, clock, close } = await open();
    t.after(close);
    clock.set(3_600_000);
    assert.ok(await new Leader(db, system).leads());
    clock.set(-3_600_000);

    assert.ok(await new Leader(db, system).leads());
  });
});
