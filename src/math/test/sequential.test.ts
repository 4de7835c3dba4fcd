import assert from 'node:assert/strict';
import { test } from 'node:test';
import { confidenceSequence, relativeDifference } from './confidence-sequence.ts';
import golden from './golden/sequential-tests.json' with { type: 'json' };
import { bernoulliMixtureRatio } from './mixture-sprt.ts';
import { mixtureVariance } from './mixture-tuning.ts';

type ArmInput = readonly number[] | { readonly sum: number; readonly sum_squares: number; readonly n: number };

function close(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-9 + 1e-7 * Math.abs(expected), `${actual} is not ${expected}`);
}

function armOf(input: ArmInput) {
  if ('sum' in input) {
    const { sum, sum_squares: squares, n } = input;
    return { mean: sum / n, variance: (squares - (sum * sum) / n) / (n - 1), count: n };
  }
  const mean = input[0] / input[1];
  return { mean, variance: mean * (1 - mean), count: input[1] };
}

for (const { name, input, params, expected } of golden.cases) {
  const { control, treatment } = input;
  if (typeof control === 'string' || typeof treatment === 'string') continue;
  test(`the confidence sequence agrees with the published value: ${name}`, () => {
    const optimum = params.n_star ?? 0;
    const estimate = relativeDifference(armOf(control), armOf(treatment));
    const { low, high } = confidenceSequence(estimate, { alpha: params.alpha, optimum });
    close(estimate.value, expected.lift ?? Number.NaN);
    close(estimate.variance, expected.variance ?? Number.NaN);
    close(Math.sqrt(mixtureVariance(params.alpha, optimum)), expected.rho ?? Number.NaN);
    close(low, expected.ci?.[0] ?? Number.NaN);
    close(high, expected.ci?.[1] ?? Number.NaN);
  });
}

for (const { name, input, params, expected } of golden.cases) {
  const { control, treatment } = input;
  if (typeof control !== 'string' || typeof treatment !== 'string') continue;
  test(`the mixture ratio agrees with the reference value: ${name}`, () => {
    const pairs = { count: 0, control: 0, treatment: 0 };
    let p = 1;
    let stoppedAt: number | null = null;
    for (let i = 0; i < control.length; i++) {
      pairs.count++;
      pairs.control += Number(control[i]);
      pairs.treatment += Number(treatment[i]);
      const ratio = bernoulliMixtureRatio(pairs, { tau2: params.tau2 ?? 0 });
      p = Math.min(p, 1 / ratio);
      if (stoppedAt === null && ratio >= 1 / params.alpha) stoppedAt = pairs.count;
      const at = params.at_pair_index?.indexOf(i) ?? -1;
      if (at < 0) continue;
      close(ratio, expected.lambda?.[at] ?? Number.NaN);
      close(p, expected.always_valid_p?.[at] ?? Number.NaN);
    }
    assert.equal(stoppedAt, expected.stop_at_pairs);
  });
}

test('the confidence sequence is near its narrowest, against the fixed-sample interval, at its optimum', () => {
  const excess = (count: number): number => {
    const { low, high } = confidenceSequence({ value: 0, variance: 1, count }, { optimum: 1000 });
    return high - low;
  };
  const best = excess(1000);
  assert.ok(excess(10) > best * 1.5);
  for (const count of [333, 500, 2000, 3000]) {
    assert.ok(excess(count) > best * 0.999 && excess(count) < best * 1.05, `${count}: ${excess(count) / best}`);
  }
});

test('estimates that have no sequence are refused', () => {
  const arm = { mean: 0.5, variance: 0.25, count: 100 };
  assert.throws(() => relativeDifference({ ...arm, mean: 0 }, arm), {
    code: 'math/bad-input',
    message: /control\.mean/,
  });
  assert.throws(() => confidenceSequence({ value: 0, variance: 1, count: 0 }), { message: /estimate\.count/ });
  assert.throws(() => bernoulliMixtureRatio({ count: 5, control: 6, treatment: 1 }, { tau2: 0.01 }), {
    message: /control/,
  });
});
