/** The nodes of all trees in parallel arrays, children after their parents. The value of a leaf is its score. */
export interface ForestNodes {
  readonly roots: Int32Array;
  /** -1 for a leaf. */
  readonly feature: Int32Array;
  /** Of a split the threshold: a row goes left when its value is at most that. */
  readonly value: Float32Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** Whether a row without the value goes left. */
  readonly missingLeft: Uint8Array;
  readonly base: number;
}

/** Trees that are walked beside each other. */
export const LANES = 4;
/** Words of a node: its feature, its value, its first child. */
export const NODE_WORDS = 3;

/**
 * Nodes laid out for the walk, {@link NODE_WORDS} words each: from `node` it goes on to `ints[node + 2]`, or to the
 * node after that one if `row[ints[node]] > floats[node + 1]`. A leaf goes on to itself, so that trees of different
 * depths can be walked beside each other.
 */
export interface CompiledTrees {
  readonly ints: Int32Array;
  /** The same memory. */
  readonly floats: Float32Array;
  /** The root of each tree, from the deepest tree to the shallowest, and again the last up to whole lanes. */
  readonly roots: Int32Array;
  /** Which tree each of these roots is of. */
  readonly trees: Int32Array;
  /** For every {@link LANES} roots, how deep the deepest of their trees is. */
  readonly depths: Int32Array;
  readonly base: number;
  readonly count: number;
}

/**
 * Lays siblings side by side, so that one comparison says where to go: `child + (x > threshold)`.
 *
 * A missing value is NaN, for which the comparison is false: it goes to the first sibling. Where missing values go
 * right, the right one comes first, and the second is for x <= threshold, which for float32 is -x > -next(threshold)
 * with `next` the following float32. So the row holds every column twice, the second time with its sign turned, and
 * after these one that is always missing: it is the feature of leaves.
 */
export function compileTrees(nodes: ForestNodes, columns: number): CompiledTrees {
  const ints = new Int32Array(nodes.feature.length * NODE_WORDS);
  const floats = new Float32Array(ints.buffer);
  const laid: { readonly tree: number; readonly root: number; readonly depth: number }[] = [];
  let next = 0;
  const place = (count: number): number => {
    const at = next;
    next += count * NODE_WORDS;
    return at;
  };
  for (const [tree, from] of nodes.roots.entries()) {
    const root = place(1);
    const queue: { readonly from: number; readonly to: number; readonly depth: number }[] = [
      { from, to: root, depth: 0 },
    ];
    for (const { from: node, to, depth } of queue) {
      const column = nodes.feature[node] as number;
      const threshold = nodes.value[node] as number;
      floats[to + 1] = threshold;
      if (column < 0) {
        ints[to] = 2 * columns;
        ints[to + 2] = to;
        continue;
      }
      const [left, right] = [nodes.left[node] as number, nodes.right[node] as number];
      const missingLeft = nodes.missingLeft[node] === 1;
      ints[to] = missingLeft ? column : columns + column;
      if (!missingLeft) floats[to + 1] = -nextFloat32(threshold);
      const child = place(2);
      ints[to + 2] = child;
      const [first, second] = missingLeft ? [left, right] : [right, left];
      queue.push(
        { from: first, to: child, depth: depth + 1 },
        { from: second, to: child + NODE_WORDS, depth: depth + 1 },
      );
    }
    laid.push({ tree, root, depth: queue.at(-1)?.depth ?? 0 });
  }
  return { ints, floats, ...lanesOf(laid), base: nodes.base, count: laid.length };
}

/** Trees of about the same depth beside each other, so that few steps are walked in vain. */
function lanesOf(laid: { readonly tree: number; readonly root: number; readonly depth: number }[]) {
  const sorted = laid.sort((a, b) => b.depth - a.depth);
  const groups = Math.ceil(sorted.length / LANES);
  const at = (i: number) => sorted[Math.min(i, sorted.length - 1)];
  return {
    roots: Int32Array.from({ length: groups * LANES }, (_, i) => at(i)?.root ?? 0),
    trees: Int32Array.from({ length: groups * LANES }, (_, i) => at(i)?.tree ?? 0),
    depths: Int32Array.from({ length: groups }, (_, i) => at(i * LANES)?.depth ?? 0),
  };
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** The smallest float32 above `value`. */
function nextFloat32(value: number): number {
  // Both zeros: the bits of -0 are not those below the smallest positive number.
  if (value === 0) return 2 ** -149;
  float[0] = value;
  bits[0] = (bits[0] as number) + (value > 0 ? 1 : -1);
  return float[0] as number;
}
