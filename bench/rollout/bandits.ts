/**
 * Regret of bandit policies against ε-greedy and an even split, by simulation:
 *
 *     node bench/rollout/bandits.ts [--runs 50] [--requests 20000] [--seed 1] [--json]
 *
 * Arms succeed with fixed probabilities. Every policy sets shares anew after each five hundred requests, as a
 * controller would, and each request draws its arm from them. Regret: successes that the best arm would have had on
 * top, per thousand requests. In "contextual" the best arm depends on the request; "even" and the others do not look at
 * it. "product" runs the decisions of the product: on two revisions, each better for half of the requests, and on five
 * arms that share the traffic by what they earn, where "even" is the A/B test.
 */
import { parseArgs } from 'node:util';
import { type Random, seededRandom } from '#core/random';
import type { ArmReward, Shares } from '#math/bandit/bandit';
import { drawIndex } from '#math/bandit/draws';
import { epsilonGreedyShares, softmaxShares } from '#math/bandit/greedy';
import { type LinearArm, learnLinear, linUcbShares, startLinearArm } from '#math/bandit/lin-ucb';
import { thompsonShares } from '#math/bandit/thompson';
import { type ArmsPlan, quietArms, simulateArms, simulatedArmsPlan } from '#serving/simulated-arms';
import { simulateBandit } from '#serving/simulated-bandit';
import { simulatedPlan } from '#serving/simulation';

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '50' },
    requests: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});

const RUNS = Number(options.runs);
const REQUESTS = Number(options.requests);
const EVERY = 500;

type Policy = (arms: readonly ArmReward[], random: Random) => Shares;
const policies: Record<string, Policy> = {
  even: (arms) => arms.map(() => 1 / arms.length),
  'ε-greedy .1': (arms) => epsilonGreedyShares(arms, { epsilon: 0.1 }),
  'softmax .02': (arms) => softmaxShares(arms, { temperature: 0.02 }),
  Thompson: (arms, random) => thompsonShares(arms, random, { draws: 300 }),
  'Thompson, top two': (arms, random) => thompsonShares(arms, random, { draws: 300, topTwo: 0.5 }),
};

const scenes: Record<string, readonly number[]> = {
  'two arms, .10 and .12': [0.1, 0.12],
  'five arms, .10 to .14': [0.1, 0.11, 0.12, 0.13, 0.14],
  'five arms, one good': [0.05, 0.05, 0.05, 0.05, 0.08],
  'ten arms, .02 to .20': Array.from({ length: 10 }, (_, i) => 0.02 * (i + 1)),
};

function regretOf(policy: Policy, rates: readonly number[], random: Random): number {
  const arms = rates.map(() => ({ count: 0, sum: 0 }));
  const best = Math.max(...rates);
  let shares: Shares = rates.map(() => 1 / rates.length);
  let regret = 0;
  for (let i = 0; i < REQUESTS; i++) {
    if (i % EVERY === 0 && i > 0) shares = policy(arms, random);
    const chosen = drawIndex(random, shares);
    const arm = arms[chosen] as { count: number; sum: number };
    arm.count += 1;
    arm.sum += random.next() < (rates[chosen] as number) ? 1 : 0;
    regret += best - (rates[chosen] as number);
  }
  return (1_000 * regret) / REQUESTS;
}

/** Three arms, each best for one part of the requests; LinUCB sees which part, the others do not. */
function contextualRegret(policy: Policy | 'LinUCB', random: Random): number {
  const rate = (arm: number, part: number): number => (arm === part ? 0.2 : 0.1);
  const arms = [0, 1, 2].map(() => ({ count: 0, sum: 0 }));
  let linear: LinearArm[] = arms.map(() => startLinearArm(3));
  let shares: Shares = arms.map(() => 1 / 3);
  let regret = 0;
  for (let i = 0; i < REQUESTS; i++) {
    const part = random.int(3);
    const context = [0, 1, 2].map((one) => (one === part ? 1 : 0));
    if (policy === 'LinUCB') shares = linUcbShares(linear, context, { width: 0.5 });
    else if (i % EVERY === 0 && i > 0) shares = policy(arms, random);
    const chosen = drawIndex(random, shares);
    const reward = random.next() < rate(chosen, part) ? 1 : 0;
    const arm = arms[chosen] as { count: number; sum: number };
    arm.count += 1;
    arm.sum += reward;
    if (policy === 'LinUCB') linear = linear.map((one, a) => (a === chosen ? learnLinear(one, context, reward) : one));
    regret += 0.2 - rate(chosen, part);
  }
  return (1_000 * regret) / REQUESTS;
}

const results: { scene: string; policy: string; mean: number; worst: number }[] = [];

function report(scene: string, policy: string, run: (random: Random) => number): void {
  const random = seededRandom(Number(options.seed));
  const regrets = Array.from({ length: RUNS }, () => run(random));
  const mean = regrets.reduce((sum, value) => sum + value, 0) / RUNS;
  const worst = Math.max(...regrets);
  results.push({ scene, policy, mean, worst });
  if (options.json) return;
  console.log(`${scene.padEnd(24)} ${policy.padEnd(20)} ${mean.toFixed(2).padStart(6)}  worst run ${worst.toFixed(2)}`);
}

for (const [scene, rates] of Object.entries(scenes)) {
  for (const [name, policy] of Object.entries(policies)) {
    report(scene, name, (random) => regretOf(policy, rates, random));
  }
}
for (const name of ['even', 'Thompson']) {
  report('contextual, three parts', name, (random) => contextualRegret(policies[name] as Policy, random));
}
report('contextual, three parts', 'LinUCB', (random) => contextualRegret('LinUCB', random));
const product = { even: 'thompson', 'ε-greedy': 'epsilon-greedy', Thompson: 'thompson', LinUCB: 'linucb' };
for (const [name, policy] of Object.entries(product)) {
  const context = policy === 'linucb' ? { context: [{ input: 'x' }] } : {};
  const bandit = { policy, every: '1m', ...context, ...(name === 'even' ? { requestsMin: 1_000_000 } : {}) };
  const plan = simulatedPlan('bandit', { metric: { name: 'clicks' }, bandit });
  const rewards = {
    requestsPerBlock: 200,
    current: (x: number) => (x > 0 ? 0.1 : 0.3),
    candidate: (x: number) => (x > 0 ? 0.35 : 0.1),
  };
  const blocks = Math.max(1, Math.round(REQUESTS / rewards.requestsPerBlock));
  report('product, by halves', name, (random) => simulateBandit(random, plan, { rewards, blocks }).regretPerMille);
}
/** Several candidates with the decisions of the product: after a promotion the promoted arm answers what is left. */
function armsRegret(plan: ArmsPlan, rates: readonly number[], random: Random): number {
  const blocksMax = Math.max(1, Math.round(REQUESTS / quietArms.requestsPerBlock));
  const arms = rates.map((mean) => ({ mean }));
  const { answered, promoted } = simulateArms(random, plan, { traffic: quietArms, arms, blocksMax });
  const best = Math.max(...rates);
  const total = blocksMax * quietArms.requestsPerBlock;
  const left = total - answered.reduce((sum, count) => sum + count, 0);
  const after = promoted === null ? 0 : Number(promoted.slice(1));
  const lost = answered.reduce((sum, count, i) => sum + count * (best - (rates[i] as number)), 0);
  return (1_000 * (lost + left * (best - (rates[after] as number)))) / total;
}
for (const rates of [scenes['five arms, .10 to .14'], scenes['five arms, one good']] as (readonly number[])[]) {
  for (const policy of ['even', 'epsilon-greedy', 'softmax', 'thompson', 'thompson, top two']) {
    const bandit = { every: '1m', policy: policy.split(',')[0], topTwo: policy.includes('top') ? 0.5 : 0 };
    const live = policy === 'even' ? {} : { bandit };
    const plan = simulatedArmsPlan(policy === 'even' ? 'ab' : 'bandit', rates.length - 1, live);
    report(`product, ${rates.join(' ')}`, policy, (random) => armsRegret(plan, rates, random));
  }
}
if (options.json) console.log(JSON.stringify({ bench: 'rollout/bandits', runs: RUNS, requests: REQUESTS, results }));
