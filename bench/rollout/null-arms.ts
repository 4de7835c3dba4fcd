/**
 * How often rollouts of several candidates err, by simulation with the decisions of the product:
 *
 *     node bench/rollout/null-arms.ts [--runs 10000] [--seed 1] [--only equal] [--json]
 *
 * Each rollout is an A/B test of one, two or four candidates beside the current revision (two, three and five arms)
 * with the defaults of an endpoint: blocks of 10 s, 60 requests a second shared alike, a metric of 0 or 1 with a mean
 * of .1, for at most an hour, looked at after every block. In "equal" scenes all arms are alike, so each promotion is a
 * false one, and so is each arm that is taken out for harm; counted are rollouts in which any arm was (family-wise). In
 * "good" scenes one arm earns a fifth more; "found" is how often it is promoted.
 */
import { parseArgs } from 'node:util';
import { seededRandom } from '#core/random';
import { type ArmsEnd, type ArmsTraffic, quietArms, simulateArms, simulatedArmsPlan } from '#serving/simulated-arms';

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '10000' },
    'good-runs': { type: 'string', default: '500' },
    seed: { type: 'string', default: '1' },
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

const results: Record<string, Summary> = {};
for (const arms of [2, 3, 5]) {
  const plan = simulatedArmsPlan('ab', arms - 1);
  const equal = Array.from({ length: arms }, () => ({ mean: MEAN }));
  const good = equal.map((arm, i) => (i === 1 ? { mean: 1.2 * MEAN } : arm));
  const scenes = Object.entries(traffics).map(([name, traffic]) => ({
    ...{
      name: `equal, ${arms} arms, ${name}`,
      traffic,
      arms: equal,
      runs: Number(options.runs),
      blocksMax: BLOCKS_MAX,
    },
  }));
  const runs = Number(options['good-runs']);
  scenes.push({ name: `good, ${arms} arms`, traffic: {}, arms: good, runs, blocksMax: GOOD_BLOCKS_MAX });
  for (const { name, traffic, runs: count, ...scene } of scenes) {
    if (!name.includes(options.only)) continue;
    const random = seededRandom(Number(options.seed));
    const all = { ...quietArms, ...traffic };
    const result = summary(Array.from({ length: count }, () => simulateArms(random, plan, { ...scene, traffic: all })));
    results[name] = result;
    if (options.json) continue;
    const shown = name.startsWith('good')
      ? `found ${result.foundPercent.toFixed(1)} % after ${result.minutes.toFixed(0)} minutes at the median`
      : `promoted ${result.promotedPercent.toFixed(2)} %  taken out for harm ${result.harmPercent.toFixed(2)} %`;
    console.log(`${name.padEnd(48)} ${String(count).padStart(6)} runs  ${shown}`);
  }
}
if (options.json) console.log(JSON.stringify({ bench: 'rollout/null-arms', seed: Number(options.seed), results }));
