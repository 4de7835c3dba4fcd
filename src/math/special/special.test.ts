import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { incompleteBeta, inverseIncompleteBeta, logBeta, logIncompleteBeta } from './beta.ts';
import { logGamma } from './gamma.ts';

function close(actual: number, expected: number, relative: number): void {
  assert.ok(Math.abs(actual - expected) <= relative * Math.max(1, Math.abs(expected)), `${actual} is not ${expected}`);
}

test('log-gamma gives the factorials and the square root of pi', () => {
  let logFactorial = 0;
  for (let n = 1; n <= 170; n++) {
    close(logGamma(n), logFactorial, 1e-14);
    logFactorial += Math.log(n);
  }
  close(logGamma(0.5), Math.log(Math.PI) / 2, 1e-14);
  close(logGamma(1.5), Math.log(Math.PI) / 2 - Math.LN2, 1e-14);
});

test('log-gamma obeys the duplication formula of Legendre from 1e-3 to 1e6', () => {
  fc.assert(
    fc.property(fc.double({ min: -3, max: 6, noNaN: true }), (exponent) => {
      const x = 10 ** exponent;
      const duplicated = logGamma(x) + logGamma(x + 0.5);
      close(duplicated, (1 - 2 * x) * Math.LN2 + Math.log(Math.PI) / 2 + logGamma(2 * x), 1e-13);
    }),
  );
});

test('log-gamma refuses what is not positive', () => {
  assert.throws(() => logGamma(0), { code: 'math/bad-input' });
});

test('the incomplete beta function is the upper tail of a binomial', () => {
  for (const [n, p] of [
    [12, 0.3],
    [40, 0.05],
    [200, 0.5],
  ] as const) {
    let tail = 0;
    for (let k = n; k >= 1; k--) {
      tail += Math.exp(
        logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1) + k * Math.log(p) + (n - k) * Math.log(1 - p),
      );
      close(incompleteBeta(p, k, n - k + 1), tail, 1e-12);
    }
  }
});

test('the incomplete beta function has its closed forms and its symmetry', () => {
  const shape = fc.double({ min: 0.1, max: 5000, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4096 }), shape, shape, (part, a, b) => {
      // A dyadic x, so that 1 − x is exact.
      const x = part / 4096;
      close(incompleteBeta(x, 1, b), 1 - (1 - x) ** b, 1e-11);
      close(incompleteBeta(x, a, b) + incompleteBeta(1 - x, b, a), 1, 1e-9);
    }),
  );
});

test('the logarithm of the incomplete beta function keeps tails that a double cannot hold', () => {
  close(logIncompleteBeta(1e-3, 200, 1), 200 * Math.log(1e-3), 1e-13);
  assert.equal(incompleteBeta(0, 2, 3), 0);
  assert.equal(incompleteBeta(1, 2, 3), 1);
});

test('the inverse of the incomplete beta function gives the probability back', () => {
  const shape = fc.double({ min: 1, max: 2000, noNaN: true });
  fc.assert(
    fc.property(fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true }), shape, shape, (probability, a, b) => {
      close(incompleteBeta(inverseIncompleteBeta(probability, a, b), a, b), probability, 1e-9);
    }),
    { numRuns: 40 },
  );
});

test('log-beta is the integral of its density for whole shapes', () => {
  close(logBeta(3, 4), Math.log(1 / 60), 1e-13);
});
