import type { Random } from '#core/random';
import { requireShare, requireThat } from '../checks.ts';
import { quantileOfSorted } from '../summary/quantile.ts';
import type { ConfidenceInterval } from './confidence-sequence.ts';

/** Two score vectors for the same requests. All four have one entry a request. */
export interface PairedScores {
  readonly a: Float32Array | Float64Array;
  readonly b: Float32Array | Float64Array;
  readonly labels: Uint8Array | Float32Array | Float64Array;
  /** Which block a request belongs to: any number, such as its day. Requests of one block stay together. */
  readonly blocks: ArrayLike<number>;
}

export interface BootstrapDifference extends ConfidenceInterval {
  /** metric(b) − metric(a) on all requests. */
  readonly estimate: number;
  readonly blocks: number;
  /** Resamples in which the metric was undefined (a class absent, say); they are left out of the interval. */
  readonly undefinedResamples: number;
}

export interface BootstrapOptions {
  readonly random: Random;
  /** Default 1000, at most 100,000. */
  readonly resamples?: number;
  readonly confidence?: number;
}

type Metric = (scores: Float64Array, labels: Float64Array) => number | null;

const blocksMin = 5;

/**
 * Percentile interval of the difference of a metric between two score vectors on the same requests, by resampling whole
 * blocks with replacement (block bootstrap with given blocks; Künsch 1989, Lahiri 2003). Each resample takes the same
 * blocks for both vectors, so what the requests have in common cancels.
 *
 * Blocks must be long enough to be nearly independent (days, for traffic with a daily rhythm), and are needed in
 * number: under about 20 the interval is too narrow, under 5 it is refused. A fixed-sample interval: it does not
 * allow for repeated looks. `null` when the metric is undefined on all requests or in over half of the resamples.
 * O(resamples · cost of the metric).
 */
export function bootstrapDifference(
  paired: PairedScores,
  metric: Metric,
  options: BootstrapOptions,
): BootstrapDifference | null {
  const { random, resamples = 1000, confidence = 0.95 } = options;
  requireShare(confidence, 'confidence');
  const validResamples = Number.isInteger(resamples) && resamples >= 100 && resamples <= 100_000;
  requireThat(validResamples, 'resamples', `must be a whole number from 100 to 100000, not ${resamples}`);
  const blocks = [...rowsByBlock(paired).values()];
  requireThat(blocks.length >= blocksMin, 'blocks', `must be at least ${blocksMin} different, not ${blocks.length}`);
  const difference = differenceOn(paired, metric);
  const estimate = difference(blocks);
  if (estimate === null) return null;
  const drawn: number[] = [];
  for (let i = 0; i < resamples; i++) {
    const value = difference(blocks.map(() => blocks[random.int(blocks.length)]));
    if (value !== null) drawn.push(value);
  }
  if (drawn.length * 2 < resamples) return null;
  const sorted = Float64Array.from(drawn).sort();
  const tail = (1 - confidence) / 2;
  return {
    estimate,
    low: quantileOfSorted(sorted, tail),
    high: quantileOfSorted(sorted, 1 - tail),
    blocks: blocks.length,
    undefinedResamples: resamples - drawn.length,
  };
}

function rowsByBlock({ a, b, labels, blocks }: PairedScores): Map<number, number[]> {
  for (const [field, list] of Object.entries({ b, labels, blocks })) {
    requireThat(list.length === a.length, field, `must have ${a.length} rows as a, not ${list.length}`);
  }
  const rows = new Map<number, number[]>();
  for (let i = 0; i < blocks.length; i++) {
    const known = rows.get(blocks[i]);
    if (known) known.push(i);
    else rows.set(blocks[i], [i]);
  }
  return rows;
}

function differenceOn({ a, b, labels }: PairedScores, metric: Metric) {
  return (blocks: readonly (readonly number[])[]): number | null => {
    const rows = blocks.reduce((sum, block) => sum + block.length, 0);
    const first = new Float64Array(rows);
    const second = new Float64Array(rows);
    const truth = new Float64Array(rows);
    let to = 0;
    for (const block of blocks) {
      for (const row of block) {
        first[to] = a[row];
        second[to] = b[row];
        truth[to++] = labels[row];
      }
    }
    const before = metric(first, truth);
    const after = metric(second, truth);
    return before === null || after === null ? null : after - before;
  };
}
