import { requireThat } from '../checks.ts';
import { logGamma } from './gamma.ts';

/** ln B(a, b) = ln Γ(a) + ln Γ(b) − ln Γ(a + b). O(1). */
export function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

const termsMax = 100_000;

/**
 * ln I_x(a, b), the regularised incomplete beta function (the Beta(a, b) distribution function at x), by its continued
 * fraction (DLMF 8.17.22) with the modified Lentz method (Thompson and Barnett 1986), on the side of the mean where it
 * converges in O(√max(a, b)) terms. The logarithm keeps tails that underflow a double.
 */
export function logIncompleteBeta(x: number, a: number, b: number): number {
  requireThat(x >= 0 && x <= 1, 'x', `must be from 0 to 1, not ${x}`);
  requireThat(a > 0 && a < Infinity && b > 0 && b < Infinity, 'a, b', `must be positive numbers, not ${a} and ${b}`);
  if (x === 0) return -Infinity;
  if (x === 1) return 0;
  if (x > (a + 1) / (a + b + 2)) return Math.log1p(-Math.exp(logLowerTail(1 - x, b, a)));
  return logLowerTail(x, a, b);
}

/** I_x(a, b): the probability that a Beta(a, b) variable is at most x. */
export function incompleteBeta(x: number, a: number, b: number): number {
  return Math.exp(logIncompleteBeta(x, a, b));
}

/** The x in [0, 1] with I_x(a, b) = `probability`, by bisection to the last bit. */
export function inverseIncompleteBeta(probability: number, a: number, b: number): number {
  requireThat(probability >= 0 && probability <= 1, 'probability', `must be from 0 to 1, not ${probability}`);
  let low = 0;
  let high = 1;
  for (;;) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) return middle;
    if (incompleteBeta(middle, a, b) < probability) low = middle;
    else high = middle;
  }
}

function logLowerTail(x: number, a: number, b: number): number {
  const front = a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b) - Math.log(a);
  return front + Math.log(continuedFraction(x, a, b));
}

function continuedFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  const away = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let value = d;
  for (let m = 1; m <= termsMax; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    value *= c * d;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    const factor = c * d;
    value *= factor;
    if (Math.abs(factor - 1) < 1e-15) return value;
  }
  return value;
}
