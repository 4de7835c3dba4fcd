/**
 * How often rollouts on live traffic err, and how soon they find harm, by simulation with the decisions of the product:
 *
 *     node bench/rollout/null.ts [--runs 10000] [--seed 1] [--only equal] [--json]
 *
 * Each rollout is a canary with the defaults of an endpoint (5, 10, 25, 50, 100 %, blocks of 10 s) but a bake of three
 * minutes a step, 20 requests a second, looked at after every block for at most two hours. In "equal" scenes both
 * revisions are equally good, so each rollback is a false one. In "at the margin" the candidate has exactly as many
 * more errors, or is exactly as much slower, as may not pass: each promotion is a false one.
 */
import { parseArgs } from 'node:util';
import { seededRandom } from '#core/random';
import {
  quietTraffic,
  type SimulatedEnd,
  type SimulatedTraffic,
  simulatedPlan,
  simulateRollout,
} from '#serving/simulation';

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '10000' },
    'harm-runs': { type: 'string', default: '500' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});

const BLOCKS_MAX = 720;
const plan = simulatedPlan('canary', { bake: '3m' });

interface Scene extends Partial<SimulatedTraffic> {
  readonly runs?: number;
}

const harmRuns = Number(options['harm-runs']);
const scenes: Record<string, Scene> = {
  'equal, independent requests': {},
  'equal, 5 % errors': { errors: 0.05 },
  'equal, shared outages, correlation .9': { shared: 1.5, correlation: 0.9 },
  'equal, differing by weather, correlation .5': { errors: 0.02, differing: 0.5, correlation: 0.5 },
  'equal, differing by weather, correlation .8': { errors: 0.02, differing: 0.5, correlation: 0.8 },
  'at the margin: +1 point of errors': { moreErrors: 0.01 },
  'at the margin: 20 % slower': { slower: 0.2 * 1.25 },
  'harm: +1 point of errors': { moreErrors: 0.01, runs: harmRuns },
  'harm: +5 points of errors': { moreErrors: 0.05, runs: harmRuns },
  'harm: +20 points of errors': { moreErrors: 0.2, runs: harmRuns },
  'harm: +5 points in shared outages': { moreErrors: 0.05, shared: 1.5, correlation: 0.9, runs: harmRuns },
  'harm: 50 % slower': { slower: 0.5, runs: harmRuns },
  'harm: 100 % slower': { slower: 1, runs: harmRuns },
  'harm: 200 % slower': { slower: 2, runs: harmRuns },
  'harm: half of the decisions differ': { flips: 0.5, runs: harmRuns },
};

function quantile(sorted: readonly number[], q: number): number | null {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? null;
}

function summary(ends: readonly SimulatedEnd[]) {
  const back = ends.filter(({ state }) => state.stage === 'rolled-back');
  const ascending = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b);
  const delays = ascending(back.map(({ blocks }) => blocks * (plan.live.blockMs / 1_000)));
  const answered = ascending(back.map((end) => end.answered));
  return {
    runs: ends.length,
    rolledBackPercent: (100 * back.length) / ends.length,
    promotedPercent: (100 * ends.filter(({ state }) => state.stage === 'completed').length) / ends.length,
    secondsToRollback: { median: quantile(delays, 0.5), p95: quantile(delays, 0.95) },
    answeredBefore: { median: quantile(answered, 0.5), p95: quantile(answered, 0.95) },
  };
}

const results: Record<string, ReturnType<typeof summary>> = {};
for (const [name, { runs = Number(options.runs), ...traffic }] of Object.entries(scenes)) {
  if (!name.includes(options.only)) continue;
  const random = seededRandom(Number(options.seed));
  const ends = Array.from({ length: runs }, () =>
    simulateRollout(random, plan, { traffic: { ...quietTraffic, ...traffic }, blocksMax: BLOCKS_MAX }),
  );
  const result = summary(ends);
  results[name] = result;
  if (options.json) continue;
  const { rolledBackPercent, promotedPercent, secondsToRollback: delay, answeredBefore } = result;
  console.log(
    `${name.padEnd(46)} ${String(runs).padStart(6)} runs  rolled back ${rolledBackPercent.toFixed(2).padStart(6)} %  ` +
      `promoted ${promotedPercent.toFixed(2).padStart(6)} %  after ${delay.median} s (95 %: ${delay.p95} s), ` +
      `${answeredBefore.median} (${answeredBefore.p95}) answers`,
  );
}
if (options.json) console.log(JSON.stringify({ bench: 'rollout/null', seed: Number(options.seed), results }));
