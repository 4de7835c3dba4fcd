import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addValue, type Forecaster, forecast, startForecast } from './holt-winters.ts';

const after = (values: readonly number[], period: number, more = {}): Forecaster =>
  values.reduce(addValue, startForecast({ period, ...more }));
const day = (i: number): number => 100 + 50 * Math.sin((2 * Math.PI * i) / 24);

test('a season that repeats is forecast to the step after one season, and a constant from the first value on', () => {
  const state = after(
    Array.from({ length: 72 }, (_, i) => day(i)),
    24,
  );
  for (let ahead = 1; ahead <= 48; ahead++) {
    assert.ok(Math.abs(forecast(state, ahead) - day(71 + ahead)) < 1e-6, `${ahead}`);
  }
  assert.equal(forecast(after([7], 24), 5), 7);
  assert.ok(Math.abs(forecast(after(Array(10).fill(7), 24), 3) - 7) < 1e-9);
  assert.equal(forecast(startForecast({ period: 2 }), 1), 0);
});

test("without a season it is Holt's method: a line is followed, and a damped one levels out", () => {
  const line = Array.from({ length: 200 }, (_, i) => 2 * i);
  const straight = after(line, 1_000, { level: 0.5, trend: 0.5, damping: 1 });
  assert.ok(Math.abs(forecast(straight, 1) - 400) < 0.01 && Math.abs(forecast(straight, 10) - 418) < 0.1);
  const damped = after(line, 1_000);
  const [near, far, further] = [1, 100, 200].map((steps) => forecast(damped, steps));
  assert.ok((far ?? 0) > (near ?? 0) && (further ?? 0) - (far ?? 0) < 0.01);
});

test('one step by hand, from the formulas', () => {
  const state = after([10, 20], 4, { level: 0.5, trend: 0.5, damping: 1 });
  // level .5·20 + .5·(10 + 0) = 15, trend .5·(15 − 10) + .5·0 = 2.5
  assert.deepEqual([state.level, state.trend, forecast(state, 2)], [15, 2.5, 20]);
});

test('forecasts are finite, move with the unit of the values, and refuse what is no number', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 2, max: 12 }),
      fc.integer({ min: 1, max: 30 }),
      (values, period, ahead) => {
        const one = forecast(after(values, period), ahead);
        const doubled = forecast(
          after(
            values.map((value) => 2 * value),
            period,
          ),
          ahead,
        );
        assert.ok(Number.isFinite(one));
        assert.ok(Math.abs(doubled - 2 * one) <= 1e-6 * (1 + Math.abs(doubled)));
      },
    ),
  );
  assert.throws(() => addValue(startForecast({ period: 2 }), Number.NaN), { code: 'math/bad-input' });
  assert.throws(() => startForecast({ period: 1 }), { code: 'math/bad-input' });
});
