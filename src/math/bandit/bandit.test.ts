import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '#core/random';
import { drawBeta, drawGamma, drawIndex } from './draws.ts';
import { epsilonGreedyShares, softmaxShares } from './greedy.ts';
import { learnLinear, linUcbShares, startLinearArm } from './lin-ucb.ts';
import { thompsonShares } from './thompson.ts';

const arms = fc
  .array(fc.tuple(fc.nat(500), fc.double({ min: 0, max: 1, noNaN: true })), { minLength: 2, maxLength: 6 })
  .map((pairs) => pairs.map(([count, share]) => ({ count, sum: count * share })));

test('shares are at least the floor and sum to 1, whatever was earned', () => {
  fc.assert(
    fc.property(arms, fc.integer(), (earned, seed) => {
      const random = seededRandom(seed);
      const all = [
        thompsonShares(earned, random, { draws: 50 }),
        thompsonShares(earned, random, { draws: 50, topTwo: 0.5, floor: 0.1 }),
        epsilonGreedyShares(earned, { epsilon: 0.06 * earned.length }),
        softmaxShares(earned, { temperature: 0.1 }),
      ];
      const floors = [0.01, 0.1, 0.06, 0.01];
      for (const [i, shares] of all.entries()) {
        assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-9);
        for (const share of shares) assert.ok(share >= (floors[i] as number) - 1e-12 && share <= 1);
      }
    }),
  );
});

test('Thompson sampling gives an arm the probability with which it is the best', () => {
  // P(U > Beta(2, 1)) = 1 − E[Beta(2, 1)] = 1/3.
  const earned = [
    { count: 1, sum: 1 },
    { count: 0, sum: 0 },
  ];
  const [, share] = thompsonShares(earned, seededRandom(61), { floor: 0, draws: 40_000 });
  assert.ok(Math.abs((share as number) - 1 / 3) < 0.01, `${share}`);
  const [leader, runnerUp] = thompsonShares(earned, seededRandom(62), { floor: 0, draws: 40_000, topTwo: 0.5 });
  assert.ok(Math.abs((leader as number) - 0.5) < 0.01 && Math.abs((runnerUp as number) - 0.5) < 0.01);
});

test('draws have the mean and variance of their distribution', () => {
  const random = seededRandom(63);
  const moments = (draw: () => number): [number, number] => {
    const values = Array.from({ length: 20_000 }, draw);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return [mean, values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length];
  };
  for (const shape of [0.3, 1, 7]) {
    const [mean, variance] = moments(() => drawGamma(random, shape));
    assert.ok(
      Math.abs(mean / shape - 1) < 0.05 && Math.abs(variance / shape - 1) < 0.1,
      `${shape} ${mean} ${variance}`,
    );
  }
  const [mean, variance] = moments(() => drawBeta(random, { a: 2, b: 6 }));
  assert.ok(Math.abs(mean - 0.25) < 0.005 && Math.abs(variance - 12 / (64 * 9)) < 0.001);
  const [second] = moments(() => (drawIndex(random, [0.2, 0.5, 0.3]) === 1 ? 1 : 0));
  assert.ok(Math.abs(second - 0.5) < 0.02);
});

test('ε-greedy tries each arm first, then stays with the best; softmax is proportional to e to the mean', () => {
  const untried = [
    { count: 9, sum: 9 },
    { count: 0, sum: 0 },
  ];
  assert.deepEqual(epsilonGreedyShares(untried, { epsilon: 0.2 }), [0.1, 0.9]);
  const tried = [
    { count: 10, sum: 9 },
    { count: 10, sum: 8 },
  ];
  assert.deepEqual(epsilonGreedyShares(tried, { epsilon: 0.2 }), [0.9, 0.1]);
  const [first = 0, second = 1] = softmaxShares(tried, { temperature: 0.1, floor: 0 });
  assert.ok(Math.abs(first / second - Math.E) < 1e-9);
});

test('the linear arm is the ridge regression, and LinUCB learns which arm suits which context', () => {
  const context = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 2, maxLength: 2 });
  fc.assert(
    fc.property(fc.array(fc.tuple(context, fc.double({ min: -1, max: 1, noNaN: true })), { maxLength: 30 }), (seen) => {
      let arm = startLinearArm(2);
      let [a, b, d, p, q] = [1, 0, 1, 0, 0];
      for (const [[x = 0, y = 0], reward] of seen) {
        arm = learnLinear(arm, [x, y], reward);
        [a, b, d, p, q] = [a + x * x, b + x * y, d + y * y, p + reward * x, q + reward * y];
      }
      const determinant = a * d - b * b;
      const theta = [(d * p - b * q) / determinant, (a * q - b * p) / determinant];
      const ours = arm.inverse.map((row) => row.reduce((sum, cell, j) => sum + cell * (arm.b[j] as number), 0));
      for (const [i, value] of ours.entries()) assert.ok(Math.abs(value - (theta[i] as number)) < 1e-6);
    }),
  );
  const random = seededRandom(64);
  let learned = [startLinearArm(2), startLinearArm(2)];
  for (let i = 0; i < 400; i++) {
    const now = [1, random.next() - 0.5];
    const chosen = drawIndex(random, linUcbShares(learned, now, { width: 0.5, floor: 0.05 }));
    const rate = chosen === 0 ? 0.5 + (now[1] as number) : 0.5 - (now[1] as number);
    const reward = random.next() < rate ? 1 : 0;
    learned = learned.map((arm, i) => (i === chosen ? learnLinear(arm, now, reward) : arm));
  }
  assert.ok((linUcbShares(learned, [1, 0.4], { width: 0 })[0] as number) > 0.9);
  assert.ok((linUcbShares(learned, [1, -0.4], { width: 0 })[1] as number) > 0.9);
});

test('bandits that cannot be are refused by field', () => {
  const one = [{ count: 1, sum: 1 }];
  assert.throws(() => epsilonGreedyShares(one), { code: 'math/bad-input', message: /arms/ });
  const two = [...one, { count: 1, sum: 2 }];
  assert.throws(() => thompsonShares(two, seededRandom(1)), { message: /arm\.sum/ });
  assert.throws(() => softmaxShares(two, { temperature: 0 }), { message: /temperature/ });
  assert.throws(() => softmaxShares(two, { temperature: 1, floor: 0.6 }), { message: /floor/ });
  assert.throws(() => learnLinear(startLinearArm(2), [1], 1), { message: /context/ });
  assert.throws(() => startLinearArm(0), { message: /dimensions/ });
});
