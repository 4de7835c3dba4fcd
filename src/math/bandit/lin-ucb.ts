import { requireThat } from '../checks.ts';
import { indexOfMax, type Shares, withFloor } from './bandit.ts';

/** A ridge regression of rewards on context, one an arm: A⁻¹ = (I + Σxxᵀ)⁻¹ by rows, and b = Σ reward·x. Plain data. */
export interface LinearArm {
  readonly inverse: readonly (readonly number[])[];
  readonly b: readonly number[];
}

const DIMENSIONS_MAX = 200;

export function startLinearArm(dimensions: number): LinearArm {
  const valid = Number.isInteger(dimensions) && dimensions >= 1 && dimensions <= DIMENSIONS_MAX;
  requireThat(valid, 'dimensions', `must be from 1 to ${DIMENSIONS_MAX}, not ${dimensions}`);
  const inverse = Array.from({ length: dimensions }, (_, i) =>
    Array.from({ length: dimensions }, (_, j) => (i === j ? 1 : 0)),
  );
  return { inverse, b: inverse.map(() => 0) };
}

/** One more reward of the arm under `context`, by the formula of Sherman and Morrison (1950). O(d²). */
export function learnLinear(arm: LinearArm, context: readonly number[], reward: number): LinearArm {
  checkContext(arm, context);
  requireThat(Number.isFinite(reward), 'reward', `must be a finite number, not ${reward}`);
  const projected = arm.inverse.map((row) => dot(row, context));
  const scale = 1 + dot(context, projected);
  return {
    inverse: arm.inverse.map((row, i) =>
      row.map((cell, j) => cell - ((projected[i] as number) * (projected[j] as number)) / scale),
    ),
    b: arm.b.map((value, i) => value + reward * (context[i] as number)),
  };
}

/**
 * LinUCB with disjoint arms (Li, Chu, Langford and Schapire 2010): the arm with the largest θᵀx + width·√(xᵀA⁻¹x), θ =
 * A⁻¹b, gets everything but the floor, so that every arm keeps a propensity. O(arms · d²).
 */
export function linUcbShares(
  arms: readonly LinearArm[],
  context: readonly number[],
  options: { readonly width?: number; readonly floor?: number } = {},
): Shares {
  const { width = 1, floor = 0.01 } = options;
  requireThat(arms.length >= 2 && arms.length <= 100, 'arms', `must be 2 to 100, not ${arms.length}`);
  requireThat(width >= 0 && width < Infinity, 'width', `must be a number from 0 on, not ${width}`);
  const bounds = arms.map((arm) => {
    checkContext(arm, context);
    const projected = arm.inverse.map((row) => dot(row, context));
    return dot(projected, arm.b) + width * Math.sqrt(Math.max(0, dot(context, projected)));
  });
  const best = indexOfMax(bounds);
  return withFloor(
    bounds.map((_, i) => (i === best ? 1 : 0)),
    floor,
  );
}

function checkContext({ b }: LinearArm, context: readonly number[]): void {
  requireThat(context.length === b.length, 'context', `must have ${b.length} numbers, not ${context.length}`);
  for (const value of context) requireThat(Number.isFinite(value), 'context', `must be finite numbers, not ${value}`);
}

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
