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
export const LANES = 8;
/** The first child of a node is told as how far on it is, in 16 bits. */
const TREE_NODES_MAX = 65_535;
/** Places of values in the row are told in bytes, in 16 bits. */
const COLUMNS_MAX = 8_000;

/** Nodes as the walk takes them, in parallel arrays; see `walk.wat`. */
export interface CompiledTrees {
  /** Of a split its threshold, of a leaf its value. */
  readonly values: Float32Array;
  /** Where in the row the value is that a node looks at. */
  readonly places: Uint16Array;
  /** How many nodes further on the first child is; 0 for a leaf, which so goes on to itself. */
  readonly children: Uint16Array;
  /** The root of each tree, from the deepest tree to the shallowest, and again the last up to whole lanes. */
  readonly roots: Int32Array;
  /** Which tree each of these roots is of. */
  readonly trees: Int32Array;
  /** For every {@link LANES} roots, how deep the deepest of their trees is. */
  readonly depths: Int32Array;
  readonly base: number;
  readonly count: number;
}

/** Whether trees over so many columns have a form that can be walked. */
export function canCompile({ roots, feature }: ForestNodes, columns: number): boolean {
  const ends = [...roots.slice(1), feature.length];
  return columns <= COLUMNS_MAX && ends.every((end, i) => end - (roots[i] as number) <= TREE_NODES_MAX);
}

/**
 * Lays siblings side by side, so that one comparison says where to go: `child + (x > threshold)`.
 *
 * A missing value is NaN, for which the comparison is false: it goes to the first sibling. Where missing values go
 * right, the right one comes first, and the second is for x <= threshold, which for float32 is -x > -next(threshold)
 * with `next` the following float32. So the row holds every column twice, the second time with its sign turned, and
 * after these one that is always missing: it is what leaves look at.
 */
export function compileTrees(nodes: ForestNodes, columns: number): CompiledTrees {
  const size = nodes.feature.length;
  const values = new Float32Array(size);
  const places = new Uint16Array(size).fill(2 * columns);
  const children = new Uint16Array(size);
  const laid: { readonly tree: number; readonly root: number; readonly depth: number }[] = [];
  let next = 0;
  for (const [tree, from] of nodes.roots.entries()) {
    const root = next++;
    const queue: { readonly from: number; readonly to: number; readonly depth: number }[] = [
      { from, to: root, depth: 0 },
    ];
    for (const { from: node, to, depth } of queue) {
      const column = nodes.feature[node] as number;
      const threshold = nodes.value[node] as number;
      values[to] = threshold;
      if (column < 0) continue;
      const [left, right] = [nodes.left[node] as number, nodes.right[node] as number];
      const missingLeft = nodes.missingLeft[node] === 1;
      places[to] = missingLeft ? column : columns + column;
      if (!missingLeft) values[to] = -nextFloat32(threshold);
      const child = next;
      next += 2;
      children[to] = child - to;
      const [first, second] = missingLeft ? [left, right] : [right, left];
      queue.push({ from: first, to: child, depth: depth + 1 }, { from: second, to: child + 1, depth: depth + 1 });
    }
    laid.push({ tree, root, depth: queue.at(-1)?.depth ?? 0 });
  }
  return { values, places, children, ...lanesOf(laid), base: nodes.base, count: laid.length };
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
