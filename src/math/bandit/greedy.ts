import { requireThat } from '../checks.ts';
import { type ArmReward, indexOfMax, meansOf, type Shares, withFloor } from './bandit.ts';

/**
 * ε-greedy (Sutton and Barto 2018, §2.2): the arm with the best mean, but every arm alike with probability ε. An arm
 * without requests counts as the best there can be, so that each is tried. O(arms).
 */
export function epsilonGreedyShares(arms: readonly ArmReward[], options: { readonly epsilon?: number } = {}): Shares {
  const { epsilon = 0.1 } = options;
  requireThat(epsilon >= 0 && epsilon <= 1, 'epsilon', `must be from 0 to 1, not ${epsilon}`);
  const best = indexOfMax(meansOf(arms, Number.POSITIVE_INFINITY));
  return withFloor(
    arms.map((_, i) => (i === best ? 1 : 0)),
    epsilon / arms.length,
  );
}

/**
 * Softmax (Boltzmann) exploration over mean rewards: shares are proportional to exp(mean/temperature), with a floor. An
 * arm without requests has the mean of the others. O(arms).
 */
export function softmaxShares(
  arms: readonly ArmReward[],
  options: { readonly temperature: number; readonly floor?: number },
): Shares {
  const { temperature, floor = 0.01 } = options;
  requireThat(temperature > 0 && temperature < Infinity, 'temperature', `must be positive, not ${temperature}`);
  const known = meansOf(arms, Number.NaN).filter((mean) => !Number.isNaN(mean));
  const middle = known.length === 0 ? 0 : known.reduce((sum, mean) => sum + mean, 0) / known.length;
  const means = meansOf(arms, middle);
  const top = Math.max(...means);
  const raised = means.map((mean) => Math.exp((mean - top) / temperature));
  const sum = raised.reduce((total, value) => total + value, 0);
  return withFloor(
    raised.map((value) => value / sum),
    floor,
  );
}
