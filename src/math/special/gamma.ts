import { refuse } from '../checks.ts';

const bernoulliTerms = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400];

/**
 * ln Γ(x) for x > 0 by Stirling's series (Abramowitz and Stegun 6.1.40) after the recurrence Γ(x + 1) = x·Γ(x) has
 * carried x to 10 or more, where the last term left out is under 2e-16. O(1).
 */
export function logGamma(x: number): number {
  if (!(x > 0 && x < Infinity)) refuse('x', `must be a positive number, not ${x}`);
  let shifted = x;
  let product = 1;
  while (shifted < 10) product *= shifted++;
  const inverseSquare = 1 / (shifted * shifted);
  let series = 0;
  for (let k = bernoulliTerms.length - 1; k >= 0; k--) series = series * inverseSquare + bernoulliTerms[k];
  const stirling = (shifted - 0.5) * Math.log(shifted) - shifted + Math.log(2 * Math.PI) / 2 + series / shifted;
  return stirling - Math.log(product);
}
