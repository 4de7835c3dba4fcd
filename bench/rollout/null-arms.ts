/**
 * How often rollouts of several candidates err, by simulation with the decisions of the product:
 *
 *     node bench/rollout/null-arms.ts [--runs 10000] [--seed 1] [--only equal] [--threads 1] [--json]
 *
 * Each rollout is an A/B test of one, two or four candidates beside the current revision (two, three and five arms)
 * with the defaults of an endpoint: blocks of 10 s, 60 requests a second shared alike, a metric of 0 or 1 with a mean
 * of .1, for at most an hour, looked at after every block. In "equal" scenes all arms are alike, so each promotion is a
 * false one, and so is each arm that is taken out for harm; counted are rollouts in which any arm was (family-wise). In
 * "good" scenes one arm earns a fifth more; "found" is how often it is promoted. Each scene draws from the seed anew:
 * figures are the same whatever the number of threads.
 */
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { seededRandom } from '#core/random';
import {
  type ArmsEnd,
  type ArmsPlan,
  type ArmsTraffic,
  quietArms,
  type SimulatedArm,
  simulateArms,
  simulatedArmsPlan,
} from '#serving/simulated-arms';

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '10000' },
    'good-runs': { type: 'string', default: '500' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});

const BLOCKS_MAX = 360;
const GOOD_BLOCKS_MAX = 1_440;
const MEAN = 0.1;

const traffics: Record<string, Partial<ArmsTraffic>> = {
  'independent requests': {},
  '5 % errors': { errors: 0.05 },
  'shared weather, correlation .9': { shared: 0.3, correlation: 0.9 },
  'weather by arm, correlation .5': { differing: 0.1, correlation: 0.5 },
  'weather by arm, correlation .8': { differing: 0.1, correlation: 0.8 },
};

interface Summary {
  readonly runs: number;
  readonly promotedPercent: number;
  readonly harmPercent: number;
  readonly foundPercent: number;
  readonly minutes: number;
}

function summary(ends: readonly ArmsEnd[]): Summary {
  const share = (of: (end: ArmsEnd) => boolean): number => (100 * ends.filter(of).length) / ends.length;
  const blocks = ends.map((end) => end.blocks).sort((a, b) => a - b);
  return {
    runs: ends.length,
    promotedPercent: share(({ promoted }) => promoted !== null),
    harmPercent: share(({ harmful }) => harmful > 0),
    foundPercent: share(({ promoted }) => promoted === 'a1'),
    minutes: (blocks[Math.floor(blocks.length / 2)] ?? 0) / 6,
  };
}

interface Scene {
  readonly name: string;
  readonly plan: ArmsPlan;
  readonly traffic: ArmsTraffic;
  readonly arms: readonly SimulatedArm[];
  readonly runs: number;
  readonly blocksMax: number;
}

const scenes = [2, 3, 5].flatMap((count): Scene[] => {
  const plan = simulatedArmsPlan('ab', count - 1);
  const arms = Array.from({ length: count }, () => ({ mean: MEAN }));
  const good = arms.map((arm, i) => (i === 1 ? { mean: 1.2 * MEAN } : arm));
  const equal = Object.entries(traffics).map(([traffic, change]) => ({
    ...{ name: `equal, ${count} arms, ${traffic}`, plan, arms, traffic: { ...quietArms, ...change } },
    ...{ runs: Number(options.runs), blocksMax: BLOCKS_MAX },
  }));
  const runs = Number(options['good-runs']);
  return [
    ...equal,
    { name: `good, ${count} arms`, plan, arms: good, traffic: quietArms, runs, blocksMax: GOOD_BLOCKS_MAX },
  ];
});
const chosen = scenes.filter(({ name }) => name.includes(options.only));

function simulate({ plan, runs, ...scene }: Scene): Summary {
  const random = seededRandom(Number(options.seed));
  return summary(Array.from({ length: runs }, () => simulateArms(random, plan, scene)));
}

/** Gives scenes to the threads, one at a time each, and shows what they find in the order of the scenes. */
async function main(): Promise<void> {
  const found: (Summary | undefined)[] = chosen.map(() => undefined);
  let [next, shown] = [0, 0];
  const show = (): void => {
    for (let result = found[shown]; result; result = found[++shown]) print(chosen[shown]?.name ?? '', result);
  };
  const work = async (worker: Worker): Promise<void> => {
    for (let i = next++; i < chosen.length; i = next++) {
      const { promise, resolve, reject } = Promise.withResolvers<Summary>();
      worker.once('message', resolve).once('error', reject);
      worker.postMessage(i);
      found[i] = await promise;
      show();
    }
    await worker.terminate();
  };
  const threads = Array.from(
    { length: Number(options.threads) },
    () => new Worker(import.meta.filename, { argv: process.argv.slice(2) }),
  );
  await Promise.all(threads.map(work));
  const results = Object.fromEntries(chosen.map(({ name }, i) => [name, found[i]]));
  if (options.json) console.log(JSON.stringify({ bench: 'rollout/null-arms', seed: Number(options.seed), results }));
}

function print(name: string, result: Summary): void {
  if (options.json) return;
  const shown = name.startsWith('good')
    ? `found ${result.foundPercent.toFixed(1)} % after ${result.minutes.toFixed(0)} minutes at the median`
    : `promoted ${result.promotedPercent.toFixed(2)} %  taken out for harm ${result.harmPercent.toFixed(2)} %`;
  console.log(`${name.padEnd(48)} ${String(result.runs).padStart(6)} runs  ${shown}`);
}

if (isMainThread) await main();
else parentPort?.on('message', (i: number) => parentPort?.postMessage(simulate(chosen[i] as Scene)));
