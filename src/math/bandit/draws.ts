import type { Random } from '#core/random';
import { requireThat } from '../checks.ts';

/** A standard normal draw (Box and Muller 1958). */
export function drawNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/** A Gamma(shape, 1) draw for any positive shape (Marsaglia and Tsang 2000). */
export function drawGamma(random: Random, shape: number): number {
  requireThat(shape > 0 && shape < Infinity, 'shape', `must be a positive number, not ${shape}`);
  if (shape < 1) return drawGamma(random, shape + 1) * (1 - random.next()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = drawNormal(random);
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    const u = 1 - random.next();
    if (Math.log(u) < 0.5 * x * x + d * (1 - v + Math.log(v))) return d * v;
  }
}

/** A Beta(a, b) draw, as the share of one gamma draw in the sum of two. */
export function drawBeta(random: Random, { a, b }: { readonly a: number; readonly b: number }): number {
  const x = drawGamma(random, a);
  return x / (x + drawGamma(random, b));
}

/** Draws a place with the given probabilities, which sum to 1. */
export function drawIndex(random: Random, shares: readonly number[]): number {
  let left = random.next();
  for (let i = 0; i < shares.length; i++) {
    left -= shares[i] as number;
    if (left < 0) return i;
  }
  return shares.length - 1;
}
