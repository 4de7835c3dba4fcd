import type { Random } from '#core/random';
import { requireThat } from '../checks.ts';
import { type ArmReward, indexOfMax, meansOf, type Shares, withFloor } from './bandit.ts';
import { drawBeta } from './draws.ts';

export interface ThompsonOptions {
  /** The smallest share of any arm, so that its propensity stays useful; .01 unless told. */
  readonly floor?: number;
  /** Draws from the posterior; 10,000 unless told, which fixes a share to about half a percent. */
  readonly draws?: number;
  /** Top-two sampling: the runner-up gets this share of what the leader would; 0 is plain Thompson sampling. */
  readonly topTwo?: number;
}

/**
 * The shares of Thompson sampling (Thompson 1933; Chapelle and Li 2011) for rewards from 0 to 1: the posterior
 * probability of each arm to be the best, under a uniform prior, by `draws` joint draws. With `topTwo` = β each draw
 * gives 1 − β to its best arm and β to its second (Russo 2016), which spends less on an arm that leads anyway and finds
 * the best one sooner. Rewards between 0 and 1 count as that fraction of a success (Agrawal and Goyal 2012). O(draws ·
 * arms).
 */
export function thompsonShares(arms: readonly ArmReward[], random: Random, options: ThompsonOptions = {}): Shares {
  const { floor = 0.01, draws = 10_000, topTwo = 0 } = options;
  meansOf(arms, 0.5);
  requireThat(Number.isInteger(draws) && draws >= 1 && draws <= 1e6, 'draws', `must be from 1 to 1e6, not ${draws}`);
  requireThat(topTwo >= 0 && topTwo <= 1, 'topTwo', `must be from 0 to 1, not ${topTwo}`);
  for (const { count, sum } of arms) {
    requireThat(sum >= 0 && sum <= count, 'arm.sum', `must be from 0 to ${count}, not ${sum}`);
  }
  const wins = arms.map(() => 0);
  for (let draw = 0; draw < draws; draw++) {
    const sampled = arms.map(({ count, sum }) => drawBeta(random, { a: 1 + sum, b: 1 + count - sum }));
    const first = indexOfMax(sampled);
    sampled[first] = Number.NEGATIVE_INFINITY;
    const second = indexOfMax(sampled);
    wins[first] = (wins[first] as number) + 1 - topTwo;
    wins[second] = (wins[second] as number) + topTwo;
  }
  return withFloor(
    wins.map((won) => won / draws),
    floor,
  );
}
