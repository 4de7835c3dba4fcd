import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, seededRandom } from '#core/random';
import { addDecision, emptyPolicyValue, estimatePolicy, type LoggedDecision } from './off-policy.ts';

test('four decisions give the values worked out by hand', () => {
  const log: LoggedDecision[] = [
    { arm: 0, propensity: 0.8, reward: 1, target: [0.5, 0.5], predicted: [0.6, 0.4] },
    { arm: 1, propensity: 0.2, reward: 1, target: [0.5, 0.5], predicted: [0.6, 0.4] },
    { arm: 0, propensity: 0.8, reward: 0, target: [0.5, 0.5], predicted: [0.6, 0.4] },
    { arm: 0, propensity: 0.8, reward: 1, target: [0, 1], predicted: [0.6, 0.4] },
  ];
  const ips = estimatePolicy(log.reduce((sum, one) => addDecision(sum, one, 'ips'), emptyPolicyValue));
  // (.625 + 2.5 + 0 + 0) / 4, weights .625, 2.5, .625, 0.
  assert.ok(Math.abs((ips.value ?? 0) - 0.78125) < 1e-12);
  assert.ok(Math.abs(ips.effective - 3.75 ** 2 / (2 * 0.625 ** 2 + 2.5 ** 2)) < 1e-12);
  assert.equal(ips.weightMax, 2.5);
  const dr = estimatePolicy(log.reduce((sum, one) => addDecision(sum, one, 'dr'), emptyPolicyValue));
  // .5 + .25, .5 + 1.5, .5 − .375, .4.
  assert.ok(Math.abs((dr.value ?? 0) - (0.75 + 2 + 0.125 + 0.4) / 4) < 1e-12);
});

/** A log of a canary of 10 % whose arms earn more where the context is high, each arm differently. */
function* canaryLog(random: Random, requests: number): Generator<{ decision: LoggedDecision; truth: number }> {
  for (let i = 0; i < requests; i++) {
    const context = random.next();
    const rates = [0.2 + 0.3 * context, 0.1 + 0.7 * context] as const;
    const arm = random.next() < 0.1 ? 1 : 0;
    const reward = random.next() < rates[arm] ? 1 : 0;
    const target = context > 0.5 ? [0, 1] : [1, 0];
    const propensity = arm === 1 ? 0.1 : 0.9;
    const predicted = [rates[0] + 0.05, rates[1] - 0.05];
    yield { decision: { arm, propensity, reward, target, predicted }, truth: context > 0.5 ? rates[1] : rates[0] };
  }
}

test('both estimates find the value of a policy that never ran, and predictions narrow their intervals', (t) => {
  const random = seededRandom(51);
  const runs = 60;
  const held = { ips: 0, dr: 0 };
  const width = { ips: 0, dr: 0 };
  // E[reward] under the policy: .5·(.2 + .3·.25) + .5·(.1 + .7·.75).
  const truth = 0.5 * 0.275 + 0.5 * 0.625;
  for (let run = 0; run < runs; run++) {
    const sums = { ips: emptyPolicyValue, dr: emptyPolicyValue };
    for (const { decision } of canaryLog(random, 4_000)) {
      sums.ips = addDecision(sums.ips, decision, 'ips');
      sums.dr = addDecision(sums.dr, decision, 'dr');
    }
    for (const kind of ['ips', 'dr'] as const) {
      const { interval } = estimatePolicy(sums[kind]);
      assert.ok(interval);
      if (interval.low <= truth && truth <= interval.high) held[kind]++;
      width[kind] += (interval.high - interval.low) / runs;
    }
  }
  t.diagnostic(`held ${held.ips} and ${held.dr} of ${runs}; widths ${width.ips.toFixed(3)}, ${width.dr.toFixed(3)}`);
  assert.ok(held.ips / runs >= 0.95 && held.dr / runs >= 0.95);
  assert.ok(width.dr < 0.85 * width.ips);
});

test('a log without propensities or predictions is refused by field', () => {
  const decision = { arm: 0, propensity: 0.5, reward: 1, target: [1, 0] };
  assert.throws(() => addDecision(emptyPolicyValue, { ...decision, propensity: 0 }, 'ips'), { message: /propensity/ });
  assert.throws(() => addDecision(emptyPolicyValue, { ...decision, arm: 2 }, 'ips'), { message: /target/ });
  assert.throws(() => addDecision(emptyPolicyValue, decision, 'dr'), { message: /predicted/ });
  assert.deepEqual(estimatePolicy(emptyPolicyValue), {
    ...{ count: 0, effective: 0, weightMax: 0, value: null, interval: null },
  });
});
