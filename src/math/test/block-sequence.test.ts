import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Random, seededRandom } from '#core/random';
import {
  addBlock,
  type Block,
  type BlockDecision,
  type BlockPlan,
  type BlockSequence,
  decide,
  startBlockSequence,
} from './block-sequence.ts';
import { confidenceSequence } from './confidence-sequence.ts';
import {
  autoregressive,
  dailyRhythm,
  gaussian,
  heavyTailed,
  simulateBlocks,
  type Traffic,
} from './simulated-traffic.ts';

const fortnight = { blocks: 336, size: dailyRhythm, mean: 0, shared: 0.05, single: 0.5 };
type Scenario = (random: Random) => Traffic;

function sequenceOf(blocks: Iterable<Block>): BlockSequence {
  let state = startBlockSequence();
  for (const block of blocks) state = addBlock(state, block);
  return state;
}

function firstDecision(blocks: Iterable<Block>, plan: Partial<BlockPlan> = {}): BlockDecision | null {
  let state = startBlockSequence(plan);
  for (const block of blocks) {
    state = addBlock(state, block);
    const view = decide(state);
    if (view.decision !== 'undecided') return view;
  }
  return null;
}

/** First decisions of `runs` simulated rollouts, each looked at after every block. */
function decisions(seed: number, runs: number, scenario: Scenario, plan: Partial<BlockPlan> = {}): BlockDecision[] {
  const random = seededRandom(seed);
  const found = Array.from({ length: runs }, () => firstDecision(simulateBlocks(random, scenario(random)), plan));
  return found.filter((view) => view !== null);
}

// Every rate below is that of the stated number of simulated fortnights of hourly blocks with a look after each.
const runs = 1500;
const quiet: Record<string, Scenario> = {
  'blocks of equal size': (random) => ({ ...fortnight, size: () => 700, cause: () => gaussian(random) }),
  'a daily rhythm of 30 to 1000 requests': (random) => ({ ...fortnight, cause: () => gaussian(random) }),
  'heavy-tailed common causes': (random) => ({ ...fortnight, cause: () => heavyTailed(random) }),
  'neighbouring blocks correlated by .3': (random) => ({ ...fortnight, cause: autoregressive(random, 0.3) }),
  'equal blocks without other noise, correlated by .3': (random) => ({
    ...fortnight,
    size: () => 700,
    single: 0,
    cause: autoregressive(random, 0.3),
  }),
};

for (const [name, scenario] of Object.entries(quiet)) {
  test(`two equal models are told apart in at most 5 % of fortnights: ${name}`, (t) => {
    const wrong = decisions(1, runs, scenario).length;
    t.diagnostic(`${wrong} of ${runs} runs decided, ${((100 * wrong) / runs).toFixed(1)} %`);
    assert.ok(wrong / runs <= 0.05);
  });
}

test('without the correction equal models keep the level if blocks are not correlated, and decide sooner', (t) => {
  const martingale = { dependence: 'martingale' } as const;
  const wrong = decisions(3, runs, quiet['blocks of equal size'] as Scenario, martingale).length / runs;
  const slow: Scenario = (random) => ({ ...fortnight, mean: 0.03, cause: autoregressive(random, 0.7) });
  const blocksOf = (found: readonly BlockDecision[]): number =>
    found.map((view) => view.blocks).toSorted((a, b) => a - b)[Math.floor(found.length / 2)] ??
    Number.POSITIVE_INFINITY;
  const sooner = blocksOf(decisions(4, 300, slow, martingale));
  const later = blocksOf(decisions(4, 300, slow));
  t.diagnostic(`${(100 * wrong).toFixed(1)} % false decisions; median ${sooner} blocks against ${later}`);
  assert.ok(wrong <= 0.05);
  assert.ok(sooner < later);
});

test('a correlation of .7 breaks the level, and a skewness of 2 comes near it, but neither loses it by much', (t) => {
  const correlated =
    decisions(2, runs, (random) => ({ ...fortnight, cause: autoregressive(random, 0.7) })).length / runs;
  const exponential = (random: Random) => (): number => -Math.log(1 - random.next()) - 1;
  const equalSkewed: Scenario = (random) => ({ ...fortnight, size: () => 700, single: 0, cause: exponential(random) });
  const skewed = decisions(2, runs, equalSkewed).length / runs;
  t.diagnostic(`of ${runs} runs: ${(100 * correlated).toFixed(1)} % correlated, ${(100 * skewed).toFixed(1)} % skewed`);
  assert.ok(correlated > 0.05 && correlated < 0.12);
  assert.ok(skewed < 0.08);
});

test('the correlation of neighbouring blocks is reported, so that too short blocks are seen', () => {
  const random = seededRandom(3);
  const traffic = { ...fortnight, blocks: 5000, single: 0, cause: autoregressive(random, 0.7) };
  const { autocorrelation } = decide(sequenceOf(simulateBlocks(random, traffic)));
  assert.ok(Math.abs(autocorrelation - 0.7) < 0.05, `${autocorrelation}`);
});

test('taking the requests of an hour as independent "finds" a difference between equal models in most weeks', (t) => {
  const random = seededRandom(4);
  const weeks = 200;
  const cause = (): number => gaussian(random);
  const traffic = { blocks: 168, size: () => 60, mean: 0, shared: 0.15, single: 0.5, cause };
  let [asRequests, asBlocks] = [0, 0];
  for (let week = 0; week < weeks; week++) {
    const blocks: Block[] = [];
    let [count, sum, squares, crossed] = [0, 0, 0, false];
    for (let hour = 0; hour < traffic.blocks; hour++) {
      const common = traffic.shared * cause();
      let differenceSum = 0;
      for (let request = 0; request < 60; request++) {
        const difference = common + traffic.single * gaussian(random);
        differenceSum += difference;
        squares += difference ** 2;
      }
      blocks.push({ requests: 60, differenceSum });
      count += 60;
      sum += differenceSum;
      const mean = sum / count;
      const estimate = { value: mean, variance: (squares / count - mean * mean) / count, count };
      const { low, high } = confidenceSequence(estimate, { optimum: 2000 });
      if (hour >= 8 && (low > 0 || high < 0)) crossed = true;
    }
    if (crossed) asRequests++;
    if (firstDecision(blocks) !== null) asBlocks++;
  }
  t.diagnostic(`of ${weeks} weeks: ${asRequests} decided as requests, ${asBlocks} as blocks`);
  assert.ok(asRequests / weeks > 0.3);
  assert.ok(asBlocks / weeks <= 0.05);
});

test('the confidence sequence holds the true difference at every look in at least 95 % of fortnights', (t) => {
  const random = seededRandom(5);
  let missed = 0;
  for (let run = 0; run < 800; run++) {
    const traffic = { ...fortnight, mean: 0.04, cause: () => gaussian(random) };
    let state = startBlockSequence();
    let held = true;
    for (const block of simulateBlocks(random, traffic)) {
      state = addBlock(state, block);
      const { interval } = decide(state);
      if (interval && (interval.low > 0.04 || interval.high < 0.04)) held = false;
    }
    if (!held) missed++;
  }
  t.diagnostic(`${missed} of 800 runs missed the truth at some look`);
  assert.ok(missed / 800 <= 0.05);
});

test('a clear difference decides within a day of hourly blocks and a small one within four, rightly', (t) => {
  for (const [effect, latest] of [
    [1, 24],
    [0.5, 56],
    [0.35, 96],
  ] as const) {
    for (const sign of [1, -1]) {
      const found = decisions(6, 400, (random) => ({
        ...fortnight,
        size: () => 700,
        single: 0,
        mean: sign * effect * fortnight.shared,
        cause: () => gaussian(random),
      }));
      const blocks = found.map((view) => view.blocks).sort((a, b) => a - b);
      const median = blocks[blocks.length >> 1];
      t.diagnostic(`effect ${sign * effect} block sd: median ${median} blocks, ${found.length} of 400 decided`);
      assert.ok(found.length >= 396 && median <= latest);
      const right = found.filter((view) => view.decision === (sign > 0 ? 'better' : 'worse')).length;
      assert.ok(right / found.length >= 0.99);
    }
  }
});

const block = fc.record({
  requests: fc.integer({ min: 1, max: 5000 }),
  differenceSum: fc.double({ min: -1000, max: 1000, noNaN: true }),
});
const anyBlocks = fc.array(block, { maxLength: 80 });

test('the state survives JSON between any two blocks', () => {
  fc.assert(
    fc.property(anyBlocks, (blocks) => {
      let resumed = startBlockSequence();
      for (const next of blocks) resumed = JSON.parse(JSON.stringify(addBlock(resumed, next)));
      assert.deepEqual(decide(resumed), decide(sequenceOf(blocks)));
    }),
  );
});

test('the interval holds the mean, and the walk is outside the boundary exactly when the interval leaves 0', () => {
  fc.assert(
    fc.property(anyBlocks, (blocks) => {
      const { interval, mean, sum, boundary, decision } = decide(sequenceOf(blocks));
      if (interval === null || mean === null || boundary === null) return;
      const slack = 1e-9 * (Math.abs(interval.low) + Math.abs(interval.high) + 1e-6);
      assert.ok(interval.low <= mean + slack && mean <= interval.high + slack);
      if (Math.abs(Math.abs(sum) - boundary) < 1e-6 * boundary) return;
      assert.equal(decision !== 'undecided', Math.abs(sum) > boundary);
    }),
    { numRuns: 500 },
  );
});

test('swapping the models swaps the decision, and the unit of the loss does not matter', () => {
  fc.assert(
    fc.property(anyBlocks, fc.integer({ min: -10, max: 10 }), (blocks, power) => {
      const plain = decide(sequenceOf(blocks));
      const mirrored = blocks.map((b) => ({ ...b, differenceSum: -b.differenceSum }));
      const opposite = { better: 'worse', worse: 'better', undecided: 'undecided' } as const;
      assert.equal(decide(sequenceOf(mirrored)).decision, opposite[plain.decision]);
      const scaled = blocks.map((b) => ({ ...b, differenceSum: b.differenceSum * 2 ** power }));
      assert.equal(decide(sequenceOf(scaled)).decision, plain.decision);
    }),
  );
});

test('burn-in decides nothing, however large the difference', () => {
  const random = seededRandom(7);
  const traffic = { ...fortnight, blocks: 40, mean: 5, cause: () => gaussian(random) };
  const blocks = [...simulateBlocks(random, traffic)];
  const early = decide(sequenceOf(blocks.slice(0, 8)));
  assert.deepEqual([early.decision, early.interval, early.boundary], ['undecided', null, null]);
  assert.equal(decide(sequenceOf(blocks)).decision, 'better');
});

test('a margin asks for more than a difference from 0', () => {
  const random = seededRandom(8);
  const traffic = { ...fortnight, mean: 0.1, cause: () => gaussian(random) };
  const state = sequenceOf(simulateBlocks(random, traffic));
  assert.equal(decide(state, { margin: 0.05 }).decision, 'better');
  assert.equal(decide(state, { margin: 0.2 }).decision, 'undecided');
});

test('models that always agree stay undecided, and a block without requests changes nothing', () => {
  const same = sequenceOf(Array.from({ length: 100 }, () => ({ requests: 10, differenceSum: 0 })));
  assert.equal(decide(same).decision, 'undecided');
  assert.equal(addBlock(same, { requests: 0, differenceSum: 0 }), same);
  assert.equal(decide(startBlockSequence()).mean, null);
});

test('bad blocks and plans are refused by field', () => {
  const state = startBlockSequence();
  assert.throws(() => addBlock(state, { requests: -1, differenceSum: 0 }), { message: /block\.requests/ });
  assert.throws(() => addBlock(state, { requests: 1, differenceSum: Number.NaN }), { message: /differenceSum/ });
  assert.throws(() => addBlock(state, { requests: 0, differenceSum: 1 }), { code: 'math/bad-input' });
  assert.throws(() => startBlockSequence({ alpha: 1 }), { message: /alpha/ });
  assert.throws(() => startBlockSequence({ burnInBlocks: 1 }), { message: /burnInBlocks.*2 to 1000/ });
  assert.throws(() => decide(state, { margin: -1 }), { message: /margin/ });
});
