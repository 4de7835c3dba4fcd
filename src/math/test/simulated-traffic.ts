import type { Random } from '#core/random';
import type { Block } from './block-sequence.ts';

/**
 * Paired differences of two models on simulated traffic. Block t has n requests, and its difference sum is n·(mean +
 * shared·u) + √n·single·e with e ~ N(0, 1): `u` is the common cause of the block (variance 1), `e` the noise of its
 * single requests, summed.
 */
export interface Traffic {
  readonly blocks: number;
  /** Requests of block t. */
  readonly size: (t: number) => number;
  readonly mean: number;
  /** Standard deviation of the common cause, and of a single request. */
  readonly shared: number;
  readonly single: number;
  /** Draws of the common cause. */
  readonly cause: () => number;
}

export function* simulateBlocks(random: Random, traffic: Traffic): Generator<Block> {
  const { blocks, size, mean, shared, single, cause } = traffic;
  for (let t = 0; t < blocks; t++) {
    const requests = size(t);
    const noise = single === 0 ? 0 : Math.sqrt(requests) * single * gaussian(random);
    yield { requests, differenceSum: requests * (mean + shared * cause()) + noise };
  }
}

/** Requests an hour over a day: few at night, about a thousand by day. */
export function dailyRhythm(t: number): number {
  const hour = t % 24;
  return hour < 5 ? 30 : hour < 7 ? 300 : Math.round(800 + 200 * Math.sin(hour));
}

/** A standard normal draw (Box and Muller 1958). */
export function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/** Draws of variance 1 whose tails are as heavy as those of Student's t with 3 degrees of freedom. */
export function heavyTailed(random: Random): number {
  const squares = gaussian(random) ** 2 + gaussian(random) ** 2 + gaussian(random) ** 2;
  return gaussian(random) / Math.sqrt(squares);
}

/** A stationary Gaussian AR(1) sequence of variance 1 with the given correlation of neighbours. */
export function autoregressive(random: Random, correlation: number): () => number {
  let state = gaussian(random);
  return () => {
    const current = state;
    state = correlation * state + Math.sqrt(1 - correlation ** 2) * gaussian(random);
    return current;
  };
}
