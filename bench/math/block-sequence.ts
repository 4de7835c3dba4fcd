/**
 * False-decision rates and delays of the rollout test by simulation, with looks after each block:
 *
 *     node bench/math/block-sequence.ts [runs = 10000] [optimumBlocks = 32] [martingale]
 *
 * "plug-in" is the same mixture boundary with the usual centred variance and no correction for autocorrelation, for
 * comparison.
 */
import { seededRandom } from '#core/random';
import { addBlock, type Block, decide, startBlockSequence } from '#math/test/block-sequence';
import { mixtureVariance } from '#math/test/mixture-tuning';
import {
  autoregressive,
  dailyRhythm,
  gaussian,
  heavyTailed,
  simulateBlocks,
  type Traffic,
} from '#math/test/simulated-traffic';

const runs = Number(process.argv[2] ?? 10_000);
const optimumBlocks = Number(process.argv[3] ?? 32);
const dependence = process.argv[4] === 'martingale' ? 'martingale' : 'autoregressive';
const random = seededRandom(20260101);
const normal = (): number => gaussian(random);
const flat = { blocks: 336, size: () => 700, mean: 0, shared: 0.05, single: 0.5 };
const daily = { ...flat, size: dailyRhythm };

const scenarios: Record<string, () => Traffic> = {
  'equal models, equal blocks': () => ({ ...flat, cause: normal }),
  'equal models, daily rhythm': () => ({ ...daily, cause: normal }),
  'equal models, daily rhythm, t3 causes': () => ({ ...daily, cause: () => heavyTailed(random) }),
  'equal models, exponential causes (skew 2)': () => ({
    ...flat,
    single: 0,
    cause: () => -Math.log(1 - random.next()) - 1,
  }),
  ...Object.fromEntries(
    [0.1, 0.3, 0.5, 0.7, 0.9].flatMap((rho) => [
      [`equal models, equal blocks, AR(1) ${rho}`, () => ({ ...flat, single: 0, cause: autoregressive(random, rho) })],
      [`equal models, daily rhythm, AR(1) ${rho}`, () => ({ ...daily, cause: autoregressive(random, rho) })],
    ]),
  ),
  ...Object.fromEntries(
    [2, 1, 0.8, 0.5, 0.35].map((effect) => [
      `effect of ${effect} block sd`,
      () => ({ ...flat, single: 0, mean: 0.05 * effect, cause: normal }),
    ]),
  ),
};

function decidedAt(blocks: Iterable<Block>): number {
  let state = startBlockSequence({ optimumBlocks, dependence });
  for (const block of blocks) {
    state = addBlock(state, block);
    if (decide(state).decision !== 'undecided') return state.blocks;
  }
  return 0;
}

function plugInDecidedAt(blocks: Iterable<Block>): number {
  const variance = mixtureVariance(0.05, optimumBlocks);
  let [count, sum, squares] = [0, 0, 0];
  for (const { differenceSum } of blocks) {
    count++;
    sum += differenceSum;
    squares += differenceSum ** 2;
    const scaled = count * variance;
    const boundary =
      ((squares - (sum * sum) / count) / (count - 1)) * (1 + 1 / scaled) * Math.log((1 + scaled) / 0.0025);
    if (count > 8 && (sum * sum) / count > boundary) return count;
  }
  return 0;
}

function measure(decided: (blocks: Iterable<Block>) => number, traffic: () => Traffic): string {
  const at: number[] = [];
  for (let run = 0; run < runs; run++) {
    const blocks = decided(simulateBlocks(random, traffic()));
    if (blocks > 0) at.push(blocks);
  }
  at.sort((a, b) => a - b);
  const share = `${((100 * at.length) / runs).toFixed(2)} %`.padStart(9);
  const quantile = (q: number): string => String(at[Math.floor(at.length * q)] ?? '-').padStart(3);
  return `${share}  median ${quantile(0.5)}  p90 ${quantile(0.9)}`;
}

console.log(`${runs} runs of 336 hourly blocks, optimumBlocks ${optimumBlocks}: decided runs, block of the decision`);
for (const [name, traffic] of Object.entries(scenarios)) {
  console.log(`${name.padEnd(46)} ${measure(decidedAt, traffic)}   plug-in ${measure(plugInDecidedAt, traffic)}`);
}
