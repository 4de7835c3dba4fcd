/** How many traces there are, how many meet each of two conditions, and how many meet both. */
export interface JointCounts {
  readonly total: number;
  readonly first: number;
  readonly second: number;
  readonly both: number;
}

export interface Correlation extends JointCounts {
  /** From -1, never together, over 0, independent, to 1, always together; NaN where one of them never occurs. */
  readonly npmi: number;
  /** The same with half a trace more in each of the four cells (the prior of Jeffreys), which tames small counts. */
  readonly smoothed: number;
}

const JEFFREYS = 0.5;

/**
 * Normalized pointwise mutual information (Bouma 2009): ln(p(x,y) / (p(x) p(y))) / -ln p(x,y). Conditions that both
 * occur, and never together, have -1.
 */
export function correlationOf(counts: JointCounts): Correlation {
  const { total, first, second, both } = counts;
  if (total === 0 || first === 0 || second === 0) return { ...counts, npmi: Number.NaN, smoothed: Number.NaN };
  return { ...counts, npmi: both === 0 ? -1 : npmiOf(counts, 0), smoothed: npmiOf(counts, JEFFREYS) };
}

function npmiOf({ total, first, second, both }: JointCounts, prior: number): number {
  if (both === total) return 1;
  const [all, x, y, xy] = [total + 4 * prior, first + 2 * prior, second + 2 * prior, both + prior];
  const npmi = Math.log((xy * all) / (x * y)) / -Math.log(xy / all);
  return Math.max(-1, Math.min(1, npmi));
}
