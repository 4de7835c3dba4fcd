import type { DriftCell } from '#monitoring/contract';

export interface FeatureDrift {
  readonly feature: string;
  readonly cells: readonly DriftCell[];
}

/** How far a cell is towards its threshold, 1 being at it; 0 where either is unknown. */
export function reachOf({ value, threshold }: DriftCell): number {
  return value === null || threshold === null || threshold <= 0 ? 0 : value / threshold;
}

export function worstCell({ cells }: FeatureDrift): DriftCell | undefined {
  return cells.reduce<DriftCell | undefined>(
    (worst, cell) => (worst === undefined || reachOf(cell) > reachOf(worst) ? cell : worst),
    undefined,
  );
}

/** Features that were beyond their threshold most often come first; ties by how far. */
export function byBeyond(a: FeatureDrift, b: FeatureDrift): number {
  const beyond = ({ cells }: FeatureDrift) => cells.filter((cell) => reachOf(cell) > 1).length;
  const worst = (feature: FeatureDrift) => {
    const cell = worstCell(feature);
    return cell ? reachOf(cell) : 0;
  };
  return beyond(b) - beyond(a) || worst(b) - worst(a);
}
