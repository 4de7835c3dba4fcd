import { seededRandom } from '#core/random';
import type { Table } from './table.ts';

/** A table of numeric columns `x0`, `x1`, …, for tests. */
export function numericTable(...columns: readonly ArrayLike<number>[]): Table {
  return {
    rows: columns[0]?.length ?? 0,
    columns: columns.map((values, index) => ({
      name: `x${index}`,
      kind: 'numeric',
      values: Float32Array.from(values),
    })),
  };
}

/** Area under the ROC curve: the share of (positive, negative) pairs in the right order, ties counting half. */
export function rocAuc(label: Float32Array, scores: Float64Array): number {
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!);
  let positives = 0;
  let rankSum = 0;
  for (let i = 0; i < order.length; ) {
    let end = i;
    let tied = 0;
    for (; end < order.length && scores[order[end]!] === scores[order[i]!]; end++) tied += label[order[end]!]!;
    positives += tied;
    rankSum += tied * ((i + 1 + end) / 2);
    i = end;
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * (order.length - positives));
}

/** Uniform numbers in [0, 1). */
export function uniform(rows: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: rows }, () => random.next());
}
