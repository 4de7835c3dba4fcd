import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Stage } from './play.ts';
import { summaryOf, Tally } from './tally.ts';
import { FAULTS } from './world/plan.ts';

const SEEDS = 300;

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

test(`${SEEDS} worlds full of faults keep every invariant, and every run in them ends`, async (t) => {
  const tally = new Tally();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const played = await stage.play(seed);
    tally.add(played);
    const { invariant = 0, message = '' } = played.violation ?? {};
    assert.equal(message, '', `invariant ${invariant}; again: npm run sim -- --seed ${seed} --trace`);
  }
  t.diagnostic(summaryOf(tally));
  assert.deepEqual([...tally.faults.keys()].sort(), [...FAULTS].sort(), 'a fault that never happens proves nothing');
});

test('a seed is one schedule, to the byte', async () => {
  const traceOf = async (seed: number): Promise<string> => {
    const lines: string[] = [];
    await stage.play(seed, { onTrace: (line) => lines.push(line) });
    return lines.join('\n');
  };
  for (const seed of [4, 9, 31]) {
    const [first, second] = [await traceOf(seed), await traceOf(seed)];
    assert.match(first, /FAULT[\s\S]* faults end\n[\s\S]*leaseWork/);
    assert.equal(first, second);
  }
  assert.notEqual(await traceOf(5), await traceOf(6));
});
