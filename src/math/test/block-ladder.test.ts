import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#core/random';
import { armDifference } from './arm-difference.ts';
import { addToLadder, type BlockLadder, decideLadder, startBlockLadder } from './block-ladder.ts';
import { addBlock, type Block, decide, startBlockSequence } from './block-sequence.ts';
import { autoregressive, gaussian, simulateBlocks } from './simulated-traffic.ts';

const arm = fc.record({ requests: fc.nat(500), sum: fc.double({ min: -1000, max: 1000, noNaN: true }) });

test('what all requests of a block share leaves the difference of its arms', () => {
  fc.assert(
    fc.property(arm, arm, fc.double({ min: -100, max: 100, noNaN: true }), (baseline, candidate, shared) => {
      const plain = armDifference(baseline, candidate);
      const shifted = armDifference(
        { ...baseline, sum: baseline.sum + shared * baseline.requests },
        { ...candidate, sum: candidate.sum + shared * candidate.requests },
      );
      assert.ok(Math.abs(plain.differenceSum - shifted.differenceSum) <= 1e-6);
      const mirrored = armDifference(candidate, baseline);
      assert.ok(Math.abs(plain.differenceSum + mirrored.differenceSum) <= 1e-6);
    }),
  );
  assert.deepEqual(armDifference({ requests: 9, sum: 4 }, { requests: 0, sum: 0 }), { requests: 0, differenceSum: 0 });
  const { requests, differenceSum } = armDifference({ requests: 90, sum: 90 }, { requests: 10, sum: 30 });
  assert.deepEqual([requests, differenceSum], [9, -18]);
  assert.throws(() => armDifference({ requests: 1, sum: Number.NaN }, { requests: 1, sum: 0 }), { message: /sum/ });
});

function ladderOf(blocks: Iterable<Block>, rungs?: number): BlockLadder {
  let ladder = startBlockLadder(rungs === undefined ? {} : { rungs });
  for (const block of blocks) ladder = addToLadder(ladder, block);
  return ladder;
}

test('a ladder of one rung is the sequence of its blocks, and it survives JSON', () => {
  const block = fc.record({ requests: fc.nat(50), differenceSum: fc.double({ min: -9, max: 9, noNaN: true }) });
  fc.assert(
    fc.property(fc.array(block, { maxLength: 60 }), (blocks) => {
      const valid = blocks.filter(({ requests }) => requests > 0);
      const plain = valid.reduce(addBlock, startBlockSequence({ dependence: 'autoregressive' }));
      const { merged, burnInBlocks, ...decision } = decideLadder(ladderOf(valid, 1));
      assert.deepEqual([merged, burnInBlocks, decision], [1, 8, decide(plain)]);
      const ladder = ladderOf(valid);
      assert.deepEqual(JSON.parse(JSON.stringify(ladder)), ladder);
    }),
  );
});

test('blocks are merged while neighbours correlate, and left as they are when they do not', () => {
  const random = seededRandom(41);
  const traffic = { blocks: 3_000, size: () => 100, mean: 0, shared: 0.1, single: 0 };
  const slow = decideLadder(ladderOf(simulateBlocks(random, { ...traffic, cause: autoregressive(random, 0.9) })));
  const quick = decideLadder(ladderOf(simulateBlocks(random, { ...traffic, cause: () => gaussian(random) })));
  assert.ok(slow.merged >= 8 && slow.autocorrelation <= 0.35, `${slow.merged} ${slow.autocorrelation}`);
  assert.ok(quick.merged <= 16, `${quick.merged}`);
});

test('equal models whose blocks correlate by .8 are told apart in about 5 % of runs by merged blocks', (t) => {
  const random = seededRandom(42);
  const runs = 300;
  let [merged, single] = [0, 0];
  for (let run = 0; run < runs; run++) {
    const cause = autoregressive(random, 0.8);
    let ladder = startBlockLadder();
    let plain = startBlockSequence({ dependence: 'martingale' });
    let [byLadder, bySingle] = [false, false];
    for (const block of simulateBlocks(random, {
      ...{ blocks: 600, size: () => 100, mean: 0, shared: 0.1, single: 0 },
      cause,
    })) {
      ladder = addToLadder(ladder, block);
      plain = addBlock(plain, block);
      byLadder ||= decideLadder(ladder).decision !== 'undecided';
      bySingle ||= decide(plain).decision !== 'undecided';
    }
    if (byLadder) merged++;
    if (bySingle) single++;
  }
  t.diagnostic(`of ${runs}: ${merged} with merged blocks, ${single} with single ones`);
  assert.ok(merged / runs <= 0.07);
  assert.ok(single / runs > 0.2);
});
