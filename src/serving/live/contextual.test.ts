import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#core/random';
import { endpointSpec } from '../contract.ts';
import { candidateShare, contextOf } from './context.ts';
import { policyOf, pushedAt, startContextual, valuesOf, withRewards } from './contextual.ts';
import { simulateBandit } from './simulated-bandit.ts';
import { simulatedPlan } from './simulated-rollout.ts';

const planWith = (policy: string, more: Record<string, unknown> = {}) =>
  simulatedPlan('bandit', {
    metric: { name: 'clicks' },
    bandit: { policy, every: '1m', ...(policy === 'linucb' ? { context: [{ input: 'x' }] } : {}), ...more },
  });
const rewards = {
  requestsPerBlock: 200,
  current: (x: number) => (x > 0 ? 0.1 : 0.3),
  candidate: (x: number) => (x > 0 ? 0.35 : 0.1),
};
const run = (plan: ReturnType<typeof planWith>, seed: number) =>
  simulateBandit(seededRandom(seed), plan, { rewards, blocks: 120 });

test('a contextual bandit regrets less than those that do not look at the request', () => {
  const [linucb, greedy, thompson] = ['linucb', 'epsilon-greedy', 'thompson'].map((policy) => run(planWith(policy), 7));
  const uniform = run(planWith('thompson', { requestsMin: 1_000_000 }), 7);
  assert.ok(linucb && greedy && thompson);
  assert.equal(linucb.requests, 24_000);
  assert.ok(linucb.regretPerMille < 0.45 * greedy.regretPerMille, `${linucb.regretPerMille} ${greedy.regretPerMille}`);
  assert.ok(
    linucb.regretPerMille < 0.45 * thompson.regretPerMille && linucb.regretPerMille < 0.45 * uniform.regretPerMille,
  );
  const { least, most } = linucb.propensities;
  assert.ok(Math.abs(least - 0.05) < 1e-9 && Math.abs(most - 0.95) < 1e-9, `${least} ${most}`);
  const truth: Record<string, number> = { current: 0.2, candidate: 0.225 };
  for (const { policy, ips, dr } of linucb.values) {
    if (policy === 'bandit') assert.ok((ips.value ?? 0) > 0.29, `${ips.value}`);
    else {
      for (const one of [ips, dr]) {
        assert.ok(
          one && (one.low ?? 1) < (truth[policy] ?? 0) && (truth[policy] ?? 1) < (one.high ?? 0),
          `${policy} ${JSON.stringify(one)}`,
        );
      }
    }
  }
});

test('gateways get what was learnt when there is enough new, and not too often', () => {
  const { live } = planWith('linucb', { requestsMin: 10, width: 0 });
  const row = { arm: 'candidate' as const, propensity: 0.5, context: { x: 1 }, reward: 1 };
  let state = withRewards(startContextual(live), Array(9).fill(row), live);
  assert.equal(pushedAt(state, 0, live), undefined);
  assert.equal(policyOf(state, live), undefined);
  state = pushedAt(withRewards(state, [row], live), 0, live) ?? assert.fail();
  const policy = policyOf(state, live) ?? assert.fail();
  const shareAt = (x: number, width: number): number =>
    Number(
      candidateShare(
        { ...policy, width },
        contextOf(policy.context, () => x),
      ).toFixed(9),
    );
  assert.deepEqual([shareAt(1, 0), shareAt(-4, 0)], [0.95, 0.05]);
  // What was never tried has the widest bound.
  assert.equal(shareAt(1, 5), 0.05);
  const more = withRewards(state, Array(50).fill(row), live);
  assert.equal(pushedAt(more, 59_999, live), undefined);
  assert.equal(pushedAt(more, 60_000, live)?.pushed?.rows, 60);
  assert.equal(policyOf(more, live)?.arms, state.arms);
});

test('off-policy values by hand, and a metric of which less is better is turned round', () => {
  const { live } = planWith('linucb');
  const rows = [
    { arm: 'candidate' as const, propensity: 0.25, context: { x: null }, reward: 1 },
    { arm: 'current' as const, propensity: 0.5, context: {}, reward: 1 },
  ];
  const value = (better: 'higher' | 'lower') =>
    valuesOf(withRewards(startContextual(live), rows, { ...live, metric: { name: 'm', better, margin: 0 } }), live).map(
      ({ ips }) => ips.value,
    );
  assert.deepEqual(value('higher'), [1, 1, 2]);
  assert.deepEqual(value('lower'), [0, 0, 0]);
});

test('a context is brought to the size of one, cut at five, zero where it is missing, and of linucb alone', () => {
  const inputs = [
    { input: 'a', mean: 10, scale: 2 },
    { input: 'b', mean: 0, scale: 1 },
  ];
  assert.deepEqual(
    contextOf(inputs, (place) => [14, 1e9][place]),
    [1, 2, 5],
  );
  assert.deepEqual(
    contextOf(inputs, () => Number.NaN),
    [1, 0, 0],
  );
  const metric = { name: 'clicks' };
  for (const bandit of [{ policy: 'linucb' }, { context: [{ input: 'a' }] }]) {
    assert.throws(
      () => endpointSpec.parse({ model: 'm', rollout: { strategy: 'bandit', live: { metric, bandit } } }),
      /expected the inputs that `linucb` goes by/,
    );
  }
});
