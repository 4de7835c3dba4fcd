import type { GbdtModel, Tree } from '#learn/gbdt';

/** A tree as the golden files dump it. Values of inner nodes are not used. */
export interface DumpedTree {
  readonly feature: readonly number[];
  readonly threshold: readonly (number | null)[];
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly value: readonly number[];
  readonly default_left?: readonly boolean[];
  readonly cover?: readonly number[];
}

/** A regression model over `features` numeric columns x0, x1, … from dumped trees, for tests. */
export function modelOfDump(trees: readonly DumpedTree[], features: number, baseScore = 0): GbdtModel {
  return {
    objective: 'regression',
    baseScore,
    features: Array.from({ length: features }, (_, index) => ({ name: `x${index}`, kind: 'numeric' })),
    trees: trees.map(treeOfDump),
  };
}

function treeOfDump(dump: DumpedTree): Tree {
  const size = dump.feature.length;
  return {
    feature: Int32Array.from(dump.feature),
    threshold: Float64Array.from(dump.threshold, (threshold) => threshold ?? 0),
    missingLeft: Uint8Array.from({ length: size }, (_, node) => (dump.default_left?.[node] ? 1 : 0)),
    left: Int32Array.from(dump.left),
    right: Int32Array.from(dump.right),
    value: Float64Array.from(dump.value),
    cover: Float64Array.from(dump.cover ?? dump.feature.map(() => 1)),
    gain: new Float64Array(size),
  };
}
