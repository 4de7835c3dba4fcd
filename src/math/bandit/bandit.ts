import { requireCount, requireThat } from '../checks.ts';

/** What an arm has earned so far. Rewards of {@link thompsonShares} are from 0 to 1. */
export interface ArmReward {
  readonly count: number;
  readonly sum: number;
}

/** The probability with which each arm is to be drawn: they sum to 1. */
export type Shares = readonly number[];

/**
 * Keeps every arm at `floor` at least, by adding: p_i = floor + (1 − n·floor)·share_i. Clipping and renormalising would
 * favour the arms in the middle. O(arms).
 */
export function withFloor(shares: Shares, floor: number): Shares {
  requireThat(floor >= 0 && floor * shares.length <= 1, 'floor', `must be from 0 to 1/${shares.length}, not ${floor}`);
  return shares.map((share) => floor + (1 - shares.length * floor) * share);
}

/** The mean reward of each arm; an arm without requests is worth `prior`. */
export function meansOf(arms: readonly ArmReward[], prior: number): readonly number[] {
  requireThat(arms.length >= 2 && arms.length <= 100, 'arms', `must be 2 to 100, not ${arms.length}`);
  return arms.map(({ count, sum }) => {
    requireCount(count, 'arm.count');
    requireThat(Number.isFinite(sum), 'arm.sum', `must be a finite number, not ${sum}`);
    return count === 0 ? prior : sum / count;
  });
}

/** The place of the largest value; the first of equals. */
export function indexOfMax(values: readonly number[]): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}
