import { encodeTable, type GbdtModel, type Table, type Tree } from '#learn/gbdt';

export interface ShapValues {
  /** Feature names, the columns of `values`. */
  readonly features: readonly string[];
  /** The expected raw score over the training rows. */
  readonly base: number;
  /** Row-major, rows x features. `base` plus a row's values is its raw score (log odds for `binary`). */
  readonly values: Float64Array;
}

/**
 * Exact Shapley values of every prediction, with the path-dependent expectation: where a feature is unknown, a row goes
 * down both sides in proportion to the training rows (Lundberg et al., "From local explanations to global understanding
 * with explainable AI for trees", Nature Machine Intelligence 2, 2020, algorithm 2). Time per row and tree is
 * O(leaves x depth²).
 *
 * Throws `gbdt/invalid-table` as scoring does.
 */
export function treeShap(model: GbdtModel, table: Table): ShapValues {
  const columns = encodeTable(model.features, table, 'table');
  const width = columns.length;
  const values = new Float64Array(table.rows * width);
  const row = new Float32Array(width);
  let base = model.baseScore;
  for (const tree of model.trees) {
    base += expectedValue(tree);
    const explainer = new TreeExplainer(tree);
    for (let r = 0; r < table.rows; r++) {
      for (let f = 0; f < width; f++) row[f] = columns[f]![r]!;
      explainer.explain(row, values.subarray(r * width, (r + 1) * width));
    }
  }
  return { features: model.features.map(({ name }) => name), base, values };
}

function expectedValue(tree: Tree): number {
  let sum = 0;
  // Children come after their parent, so a node's share is known when the loop reaches it.
  const share = new Float64Array(tree.feature.length);
  share[0] = 1;
  for (let node = 0; node < share.length; node++) {
    if (tree.feature[node]! < 0) sum += share[node]! * tree.value[node]!;
    else {
      for (const child of [tree.left[node]!, tree.right[node]!]) {
        share[child] = (share[node]! * tree.cover[child]!) / tree.cover[node]!;
      }
    }
  }
  return sum;
}

function depthOf(tree: Tree): number {
  const depth = new Int32Array(tree.feature.length);
  let deepest = 0;
  for (let node = 0; node < depth.length; node++) {
    deepest = Math.max(deepest, depth[node]!);
    if (tree.feature[node]! < 0) continue;
    depth[tree.left[node]!] = depth[node]! + 1;
    depth[tree.right[node]!] = depth[node]! + 1;
  }
  return deepest;
}

interface Step {
  readonly node: number;
  /** Features on the path so far, and where their entries start. */
  readonly length: number;
  readonly start: number;
  /** How the last edge was taken: share of training rows, 1 or 0 for this row, and by which feature. */
  readonly zero: number;
  readonly one: number;
  readonly feature: number;
}

/**
 * The recursion over one tree. A path holds the distinct features met on the way from the root; entry 0 is a
 * placeholder. Of each it keeps the share of training rows that follow when the feature is unknown (`zero`), whether
 * the row follows when it is known (`one`), and `weight[i]`: the summed Shapley weight of the subsets with i features
 * known. Every level works on its own copy, one after the other in the same arrays.
 */
class TreeExplainer {
  readonly #tree: Tree;
  readonly #feature: Int32Array;
  readonly #zero: Float64Array;
  readonly #one: Float64Array;
  readonly #weight: Float64Array;
  #row = new Float32Array();
  #phi = new Float64Array();

  constructor(tree: Tree) {
    const levels = depthOf(tree) + 2;
    const capacity = (levels * (levels + 1)) / 2;
    this.#tree = tree;
    this.#feature = new Int32Array(capacity);
    this.#zero = new Float64Array(capacity);
    this.#one = new Float64Array(capacity);
    this.#weight = new Float64Array(capacity);
  }

  /** Adds the tree's Shapley values for the row to `phi`. */
  explain(row: Float32Array<ArrayBuffer>, phi: Float64Array<ArrayBuffer>): void {
    this.#row = row;
    this.#phi = phi;
    this.#descend({ node: 0, length: 0, start: 0, zero: 1, one: 1, feature: -1 });
  }

  #descend({ node, length, start, zero, one, feature }: Step): void {
    const { value, cover, left, right } = this.#tree;
    this.#extend(start, length, { zero, one, feature });
    const split = this.#tree.feature[node]!;
    if (split < 0) {
      for (let i = 1; i <= length; i++) {
        const at = start + i;
        const share = this.#sumWithout(start, length, i) * (this.#one[at]! - this.#zero[at]!);
        this.#phi[this.#feature[at]!]! += share * value[node]!;
      }
      return;
    }
    const known = this.#goesLeft(node) ? left[node]! : right[node]!;
    const other = known === left[node] ? right[node]! : left[node]!;
    let earlier = 1;
    while (earlier <= length && this.#feature[start + earlier] !== split) earlier++;
    let before = { zero: 1, one: 1 };
    let kept = length;
    if (earlier <= length) {
      before = { zero: this.#zero[start + earlier]!, one: this.#one[start + earlier]! };
      this.#remove(start, length, earlier);
      kept--;
    }
    for (const child of [known, other]) {
      // Behind this level's entries, so that the second child still finds them.
      const next = start + length + 1;
      this.#copy(start, next, kept + 1);
      this.#descend({
        node: child,
        length: kept + 1,
        start: next,
        zero: (before.zero * cover[child]!) / cover[node]!,
        one: child === known ? before.one : 0,
        feature: split,
      });
    }
  }

  #goesLeft(node: number): boolean {
    const x = this.#row[this.#tree.feature[node]!]!;
    return Number.isNaN(x) ? this.#tree.missingLeft[node] === 1 : x <= this.#tree.threshold[node]!;
  }

  #copy(from: number, to: number, count: number): void {
    for (const entries of [this.#feature, this.#zero, this.#one, this.#weight]) {
      entries.copyWithin(to, from, from + count);
    }
  }

  /** Appends a feature as entry `length`: every subset so far counts once without it and once with it. */
  #extend(start: number, length: number, { zero, one, feature }: Pick<Step, 'zero' | 'one' | 'feature'>): void {
    const weight = this.#weight;
    this.#feature[start + length] = feature;
    this.#zero[start + length] = zero;
    this.#one[start + length] = one;
    weight[start + length] = length === 0 ? 1 : 0;
    for (let i = length - 1; i >= 0; i--) {
      weight[start + i + 1]! += (one * weight[start + i]! * (i + 1)) / (length + 1);
      weight[start + i] = (zero * weight[start + i]! * (length - i)) / (length + 1);
    }
  }

  /** Undoes the extension by entry `index`, as if its feature had never been met. */
  #remove(start: number, length: number, index: number): void {
    const weight = this.#weight;
    const zero = this.#zero[start + index]!;
    const one = this.#one[start + index]!;
    let next = weight[start + length]!;
    for (let i = length - 1; i >= 0; i--) {
      if (one === 0) weight[start + i] = (weight[start + i]! * (length + 1)) / (zero * (length - i));
      else {
        const held = weight[start + i]!;
        weight[start + i] = (next * (length + 1)) / ((i + 1) * one);
        next = held - (weight[start + i]! * zero * (length - i)) / (length + 1);
      }
    }
    for (const entries of [this.#feature, this.#zero, this.#one]) {
      entries.copyWithin(start + index, start + index + 1, start + length + 1);
    }
  }

  /** The sum of weights that {@link #remove} would leave, without changing the path. */
  #sumWithout(start: number, length: number, index: number): number {
    const weight = this.#weight;
    const zero = this.#zero[start + index]!;
    const one = this.#one[start + index]!;
    let next = weight[start + length]!;
    let total = 0;
    for (let i = length - 1; i >= 0; i--) {
      if (one === 0) total += weight[start + i]! / (zero * (length - i));
      else {
        const undone = next / ((i + 1) * one);
        total += undone;
        next = weight[start + i]! - undone * zero * (length - i);
      }
    }
    return total * (length + 1);
  }
}
