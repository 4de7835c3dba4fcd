import { assert } from '#core/assert';
import type { HistogramKernel } from './kernel.ts';
import type { Tree } from './model.ts';
import { findSplit, leafValue, type NodeSums, type Split, type SplitSearch } from './split.ts';

export interface GrowInput {
  readonly kernel: HistogramKernel;
  /** Rows of the tree: `kernel.rows[0, rowCount)`. The order of the list is changed. */
  readonly rowCount: number;
  /** Columns the tree may use, ascending. */
  readonly active: Int32Array;
  /** Cut points per column; `cuts[c].length + 1` bins. */
  readonly cuts: readonly Float32Array[];
  readonly leaves: number;
  readonly minLeafRows: number;
  readonly l2: number;
  readonly learningRate: number;
}

/** A grown tree, and which segment of `kernel.rows` ended in which leaf. */
export interface GrownTree {
  readonly tree: Tree;
  /** Per node the limit in bins, for routing binned rows. */
  readonly limit: Uint8Array;
  readonly segments: readonly { readonly node: number; readonly begin: number; readonly count: number }[];
}

interface OpenLeaf {
  readonly node: number;
  readonly begin: number;
  readonly count: number;
  readonly slot: number;
  readonly sums: NodeSums;
  readonly split: Split | undefined;
}

/**
 * Grows one tree leaf by leaf: the leaf whose best split gains most is split next, until there are `leaves` leaves or
 * no split gains (best-first growth; Shi 2007, LightGBM). Only the smaller child's histogram is counted, the other is
 * the parent's minus it. Returns undefined when the root cannot be split. Needs `kernel.quantise()` before.
 */
export function growTree(input: GrowInput): GrownTree | undefined {
  const { kernel, rowCount } = input;
  const search = searchOf(input);
  kernel.accumulate(0, 0, rowCount);
  kernel.decode(0);
  const sums = columnSums(kernel.decoded, rowCount);
  const root: OpenLeaf = { node: 0, begin: 0, count: rowCount, slot: 0, sums, split: findSplit(search, sums) };
  if (root.split === undefined) return undefined;
  const nodes = new NodeTable(2 * input.leaves - 1, root.count);
  const open: OpenLeaf[] = [root];
  while (open.length < input.leaves) {
    const at = indexOfBest(open);
    const leaf = open[at]!;
    if (leaf.split === undefined) break;
    const [left, right] = splitLeaf(input, search, { leaf, split: leaf.split, openLeaves: open.length, nodes });
    open[at] = left;
    open.push(right);
  }
  for (const { node, sums } of open) nodes.value[node] = leafValue(sums, input.l2, input.learningRate);
  return { ...nodes.finish(), segments: open.map(({ node, begin, count }) => ({ node, begin, count })) };
}

function searchOf({ kernel, active, cuts, minLeafRows, l2 }: GrowInput): SplitSearch {
  return { cells: kernel.decoded, active, binCounts: Int32Array.from(cuts, (c) => c.length + 1), minLeafRows, l2 };
}

interface SplitStep {
  readonly leaf: OpenLeaf;
  readonly split: Split;
  readonly openLeaves: number;
  readonly nodes: NodeTable;
}

function splitLeaf(input: GrowInput, search: SplitSearch, step: SplitStep): [OpenLeaf, OpenLeaf] {
  const { kernel } = input;
  const { leaf, split, nodes, openLeaves } = step;
  const leftCount = kernel.partition(leaf, split);
  assert(leftCount === split.left.rows, `partition sent ${leftCount} rows left, the histogram says ${split.left.rows}`);
  const [leftNode, rightNode] = nodes.branch(leaf.node, split, input.cuts[split.column]!);
  const left = { node: leftNode, begin: leaf.begin, count: leftCount, sums: split.left };
  const right = { node: rightNode, begin: leaf.begin + leftCount, count: leaf.count - leftCount, sums: split.right };
  // The children of the last split stay leaves, so nobody asks for their histograms.
  if (openLeaves + 1 === input.leaves) {
    return [
      { ...left, slot: -1, split: undefined },
      { ...right, slot: -1, split: undefined },
    ];
  }
  const leftSmaller = left.count <= right.count;
  const small = leftSmaller ? left : right;
  const large = leftSmaller ? right : left;
  const splittable = (rows: number): boolean => rows >= 2 * input.minLeafRows;
  const smallSlot = openLeaves;
  if (splittable(large.count)) {
    kernel.accumulate(smallSlot, small.begin, small.count);
    kernel.subtract(leaf.slot, smallSlot);
  }
  const finish = (child: typeof left, slot: number): OpenLeaf => {
    if (!splittable(child.count)) return { ...child, slot, split: undefined };
    kernel.decode(slot);
    return { ...child, slot, split: findSplit(search, child.sums) };
  };
  const smallLeaf = finish(small, smallSlot);
  const largeLeaf = finish(large, leaf.slot);
  return leftSmaller ? [smallLeaf, largeLeaf] : [largeLeaf, smallLeaf];
}

function indexOfBest(open: readonly OpenLeaf[]): number {
  let best = 0;
  for (let i = 1; i < open.length; i++) {
    if ((open[i]!.split?.gain ?? 0) > (open[best]!.split?.gain ?? 0)) best = i;
  }
  return best;
}

/** Every column's histogram holds every row, so the first column's cells add up to the node. */
function columnSums(cells: Float64Array, rows: number): NodeSums {
  let gradient = 0;
  let hessian = 0;
  for (let at = 0; at < 256 * 3; at += 3) {
    gradient += cells[at]!;
    hessian += cells[at + 1]!;
  }
  return { gradient, hessian, rows };
}

/** The arrays of a tree while it grows. */
class NodeTable {
  readonly value: Float64Array;
  readonly #feature: Int32Array;
  readonly #threshold: Float64Array;
  readonly #limit: Uint8Array;
  readonly #missingLeft: Uint8Array;
  readonly #left: Int32Array;
  readonly #right: Int32Array;
  readonly #cover: Float64Array;
  readonly #gain: Float64Array;
  #size = 1;

  constructor(capacity: number, rootRows: number) {
    this.value = new Float64Array(capacity);
    this.#feature = new Int32Array(capacity).fill(-1);
    this.#threshold = new Float64Array(capacity);
    this.#limit = new Uint8Array(capacity);
    this.#missingLeft = new Uint8Array(capacity);
    this.#left = new Int32Array(capacity).fill(-1);
    this.#right = new Int32Array(capacity).fill(-1);
    this.#cover = new Float64Array(capacity);
    this.#gain = new Float64Array(capacity);
    this.#cover[0] = rootRows;
  }

  /** Makes `node` an inner node and returns its two new children. */
  branch(node: number, split: Split, cuts: Float32Array): [number, number] {
    const left = this.#size++;
    const right = this.#size++;
    this.#feature[node] = split.column;
    this.#threshold[node] = split.limit < cuts.length ? cuts[split.limit]! : FLOAT32_MAX;
    this.#limit[node] = split.limit;
    this.#missingLeft[node] = split.missingLeft ? 1 : 0;
    this.#left[node] = left;
    this.#right[node] = right;
    this.#gain[node] = split.gain;
    this.#cover[left] = split.left.rows;
    this.#cover[right] = split.right.rows;
    return [left, right];
  }

  finish(): { tree: Tree; limit: Uint8Array } {
    const end = this.#size;
    return {
      tree: {
        feature: this.#feature.slice(0, end),
        threshold: this.#threshold.slice(0, end),
        missingLeft: this.#missingLeft.slice(0, end),
        left: this.#left.slice(0, end),
        right: this.#right.slice(0, end),
        value: this.value.slice(0, end),
        cover: this.#cover.slice(0, end),
        gain: this.#gain.slice(0, end),
      },
      limit: this.#limit.slice(0, end),
    };
  }
}

/** The threshold of "every value left, missing right". */
const FLOAT32_MAX = 2 ** 128 - 2 ** 104;
