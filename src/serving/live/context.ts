import { type LinearArm, linUcbShares } from '#math/bandit/lin-ucb';

/** A number of the request that a contextual bandit looks at, and how it is brought to the size of one. */
export interface ContextInput {
  readonly input: string;
  readonly mean: number;
  readonly scale: number;
}

/** Outliers move a linear model at a distance: beyond so many scales a value counts as this. */
const SCALES_MAX = 5;

/** What a contextual bandit sees of a request: 1, then each input in its scale; 0 for what is missing. */
export function contextOf(inputs: readonly ContextInput[], read: (place: number) => unknown): number[] {
  return [
    1,
    ...inputs.map(({ mean, scale }, place) => {
      const value = read(place);
      if (typeof value !== 'number' || !Number.isFinite(value)) return 0;
      return Math.min(SCALES_MAX, Math.max(-SCALES_MAX, (value - mean) / scale));
    }),
  ];
}

/** The parameters of a contextual bandit, as gateways get them. */
export interface LinearPolicy {
  readonly context: readonly ContextInput[];
  /** Of the current revision and the candidate, or of those named. */
  readonly arms: readonly LinearArm[];
  /** Where there are several candidates: the arms by name, the current revision first. */
  readonly names?: readonly string[] | undefined;
  readonly width: number;
  readonly floor: number;
}

/** The probability with which the candidate answers a request of this context: what is drawn by, and recorded. */
export function candidateShare(policy: LinearPolicy, context: readonly number[]): number {
  return armShares(policy, context)[1] as number;
}

/** The same of every arm, in the order of the policy. */
export function armShares({ arms, width, floor }: LinearPolicy, context: readonly number[]): readonly number[] {
  return linUcbShares(arms, context, { width, floor });
}
