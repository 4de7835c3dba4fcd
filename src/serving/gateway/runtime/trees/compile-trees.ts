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

/** Nodes laid out for the walk: from `node` it goes on to `child[node]`, or to the one after it if `row[f] > value`. */
export interface CompiledTrees {
  readonly roots: Int32Array;
  readonly feature: Int32Array;
  readonly value: Float32Array;
  readonly child: Int32Array;
  readonly base: number;
}

/**
 * Lays siblings side by side, so that one comparison says where to go: `child + (x > threshold)`.
 *
 * A missing value is NaN, for which the comparison is false: it goes to the first sibling. Where missing values go
 * right, the right one comes first, and the second is for x <= threshold, which for float32 is -x > -next(threshold)
 * with `next` the following float32. So the row holds every column twice, the second time with its sign turned.
 */
export function compileTrees(nodes: ForestNodes, columns: number): CompiledTrees {
  const count = nodes.feature.length;
  const feature = new Int32Array(count).fill(-1);
  const value = new Float32Array(count);
  const child = new Int32Array(count);
  const roots = new Int32Array(nodes.roots.length);
  let next = 0;
  for (const [tree, root] of nodes.roots.entries()) {
    const queue: { readonly from: number; readonly to: number }[] = [{ from: root, to: next }];
    roots[tree] = next++;
    for (const { from, to } of queue) {
      const column = nodes.feature[from] as number;
      const threshold = nodes.value[from] as number;
      value[to] = threshold;
      if (column < 0) continue;
      const [left, right] = [nodes.left[from] as number, nodes.right[from] as number];
      const missingLeft = nodes.missingLeft[from] === 1;
      feature[to] = missingLeft ? column : columns + column;
      if (!missingLeft) value[to] = -nextFloat32(threshold);
      child[to] = next;
      queue.push({ from: missingLeft ? left : right, to: next }, { from: missingLeft ? right : left, to: next + 1 });
      next += 2;
    }
  }
  return { roots, feature, value, child, base: nodes.base };
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
