import { seededRandom } from '#core/random';
import type { GbdtModel, Tree } from '#learn/gbdt';

interface ForestSpec {
  readonly features: readonly string[];
  readonly trees: number;
  readonly leaves: number;
  readonly seed?: number;
}

/** Random trees of the size of a boosted tabular model: what they answer does not matter, what they cost does. */
export function randomModel({ features, trees, leaves, seed = 42 }: ForestSpec): GbdtModel {
  const random = seededRandom(seed);
  return {
    objective: 'binary',
    baseScore: 0,
    features: features.map((name) => ({ name, kind: 'numeric' })),
    trees: Array.from({ length: trees }, (): Tree => {
      const count = 2 * leaves - 1;
      const children = split(leaves, random);
      const at = (node: number, side: 0 | 1): number => children.get(node)?.[side] ?? -1;
      const perNode = (value: (node: number) => number): number[] => Array.from({ length: count }, (_, i) => value(i));
      return {
        feature: Int32Array.from(perNode((i) => (children.has(i) ? random.int(features.length) : -1))),
        threshold: Float64Array.from(perNode((i) => (children.has(i) ? Math.fround(random.next() * 3 - 1.5) : 0))),
        missingLeft: new Uint8Array(count),
        left: Int32Array.from(perNode((i) => at(i, 0))),
        right: Int32Array.from(perNode((i) => at(i, 1))),
        value: Float64Array.from(perNode((i) => (children.has(i) ? 0 : Math.fround((random.next() - 0.5) / 10)))),
        cover: new Float64Array(count),
        gain: new Float64Array(count),
      };
    }),
  };
}

/** Splits random leaves until there are enough, which grows the uneven trees that boosting grows. */
function split(leaves: number, random: ReturnType<typeof seededRandom>): Map<number, readonly [number, number]> {
  const children = new Map<number, readonly [number, number]>();
  const open = [0];
  for (let next = 1; open.length < leaves; next += 2) {
    const [parent] = open.splice(random.int(open.length), 1) as [number];
    children.set(parent, [next, next + 1]);
    open.push(next, next + 1);
  }
  return children;
}
