import { type Random, seededRandom } from '#core/random';
import { assignBins, findCuts } from './bins.ts';
import { encodeCategories, rankCategories } from './categories.ts';
import { encodeTable } from './encode.ts';
import { errors } from './errors.ts';
import { type GrownTree, growTree } from './grow.ts';
import { HistogramKernel } from './kernel.ts';
import { type Loss, lossOf } from './loss.ts';
import type { Feature, GbdtModel, Tree } from './model.ts';
import { completeParams, type GbdtParams } from './params.ts';
import { addTrees } from './predict.ts';
import { checkFiniteValues, checkTable, type Table } from './table.ts';

export interface GbdtInput {
  readonly train: Table;
  /** One label a row: 0 or 1 (`binary`), any finite number (`regression`). */
  readonly label: Float32Array;
  /** One weight a row, finite and at least 0; 1 where absent. */
  readonly weight?: Float32Array;
  /** Rows to measure the loss on after each tree. */
  readonly valid?: { readonly table: Table; readonly label: Float32Array };
  readonly params: Partial<GbdtParams>;
  /**
   * Called after each tree; throwing here ends the training. `validLoss` is the log loss (`binary`) or the mean squared
   * error (`regression`).
   */
  readonly onTree?: (progress: { readonly tree: number; readonly of: number; readonly validLoss?: number }) => void;
}

/**
 * Trains an additive model of regression trees by gradient boosting on histograms (Friedman 2001; Ke et al. 2017).
 * Equal input and seed give equal models, bit for bit. Runs synchronously on the calling thread.
 *
 * Throws `gbdt/invalid-table`, `gbdt/invalid-label`, `gbdt/invalid-parameter` or `gbdt/limit-exceeded`, each naming the
 * field and the limit.
 */
export function trainGbdt(input: GbdtInput): GbdtModel {
  const params = completeParams(input.params);
  checkInput(input, params);
  const { train, label, weight } = input;
  const features: Feature[] = [];
  const values: Float32Array[] = [];
  for (const column of train.columns) {
    if (column.kind === 'numeric') {
      features.push({ name: column.name, kind: 'numeric' });
      values.push(column.values);
    } else {
      const ranked = rankCategories(column, label, weight);
      features.push({ name: column.name, kind: 'category', ranked });
      values.push(encodeCategories(column, ranked));
    }
  }
  const valid = input.valid && {
    features: encodeTable(features, input.valid.table, 'valid.table'),
    label: input.valid.label,
  };
  const loss = lossOf(params.objective);
  const baseScore = Math.fround(loss.baseScore(label, weight));
  const trees = boost({ params, loss, values, label, weight, valid, baseScore, onTree: input.onTree });
  return { objective: params.objective, baseScore, features, trees };
}

interface BoostInput {
  readonly params: GbdtParams;
  readonly loss: Loss;
  readonly values: readonly Float32Array[];
  readonly label: Float32Array;
  readonly weight: Float32Array | undefined;
  readonly valid: { readonly features: readonly Float32Array[]; readonly label: Float32Array } | undefined;
  readonly baseScore: number;
  readonly onTree: GbdtInput['onTree'] | undefined;
}

function boost({ params, loss, values, label, weight, valid, baseScore, onTree }: BoostInput): Tree[] {
  const rows = label.length;
  const random = seededRandom(params.seed);
  const kernel = new HistogramKernel(rows, values.length, params.leaves);
  const cuts = values.map((column) => findCuts(column, params.maxBins, params.seed));
  assignBins(values, cuts, kernel.bins);
  const scores = new Float64Array(rows).fill(baseScore);
  const validScores = new Float64Array(valid?.label.length ?? 0).fill(baseScore);
  const patience = params.earlyStoppingRounds ?? Infinity;
  const trees: Tree[] = [];
  let best = { trees: 0, loss: Infinity };
  for (let round = 1; round <= params.trees; round++) {
    loss.derivatives({ label, weight, scores, gradients: kernel.gradients, hessians: kernel.hessians });
    kernel.quantise();
    const rowCount = drawRows(kernel.rows, params.rowFraction, random);
    const active = drawColumns(values.length, params.featureFraction, random);
    const grown = growTree({ ...params, kernel, rowCount, active, cuts });
    const sampled = params.rowFraction < 1 || params.featureFraction < 1;
    // Without sampling the next round would see the same gradients and fail the same way.
    if (grown === undefined && !sampled) break;
    if (grown !== undefined) {
      addToTraining(kernel, grown, rowCount, scores);
      trees.push(grown.tree);
    }
    if (valid === undefined) {
      onTree?.({ tree: round, of: params.trees });
      continue;
    }
    if (grown !== undefined) addTrees([grown.tree], valid.features, validScores);
    const validLoss = loss.mean(valid.label, validScores);
    onTree?.({ tree: round, of: params.trees, validLoss });
    if (validLoss < best.loss) best = { trees: trees.length, loss: validLoss };
    else if (trees.length - best.trees >= patience) break;
  }
  return params.earlyStoppingRounds === undefined ? trees : trees.slice(0, best.trees);
}

/** Writes the rows of the next tree, ascending, to the front of `rows` and the others behind them. */
function drawRows(rows: Int32Array, fraction: number, random: Random): number {
  const wanted = Math.max(1, Math.round(fraction * rows.length));
  let taken = 0;
  let left = wanted;
  for (let row = 0; row < rows.length; row++) {
    // Selection sampling (Knuth, TAOCP volume 2, algorithm 3.4.2S).
    const take = wanted === rows.length || random.next() * (rows.length - row) < wanted - taken;
    if (take) rows[taken++] = row;
    else rows[left++] = row;
  }
  return wanted;
}

function drawColumns(columns: number, fraction: number, random: Random): Int32Array {
  const wanted = Math.max(1, Math.round(fraction * columns));
  const drawn: number[] = [];
  for (let column = 0; column < columns; column++) {
    if (wanted === columns || random.next() * (columns - column) < wanted - drawn.length) drawn.push(column);
  }
  return Int32Array.from(drawn);
}

/** Adds the new tree to the scores of all training rows: by segment for its own rows, by walking for the others. */
function addToTraining(kernel: HistogramKernel, grown: GrownTree, rowCount: number, scores: Float64Array): void {
  const { tree, limit, segments } = grown;
  for (const { node, begin, count } of segments) {
    const value = tree.value[node]!;
    for (let at = begin; at < begin + count; at++) scores[kernel.rows[at]!]! += value;
  }
  for (let at = rowCount; at < kernel.rows.length; at++) {
    const row = kernel.rows[at]!;
    let node = 0;
    while (tree.feature[node]! >= 0) {
      const bin = kernel.bins[row * kernel.columns + tree.feature[node]!]!;
      const left = bin <= limit[node]! || (bin === 255 && tree.missingLeft[node] === 1);
      node = left ? tree.left[node]! : tree.right[node]!;
    }
    scores[row]! += tree.value[node]!;
  }
}

function checkInput({ train, label, weight, valid }: GbdtInput, params: GbdtParams): void {
  checkTable(train, 'train');
  checkFiniteValues(train, 'train');
  if (train.rows === 0) throw invalidLabel('train', 'has no rows');
  checkLabel(label, train.rows, 'label', params);
  if (weight !== undefined) checkWeight(weight, train.rows);
  if (params.objective === 'binary') {
    const effective = weight === undefined ? label : label.map((y, row) => (weight[row]! > 0 ? y : Number.NaN));
    if (!effective.includes(1)) throw invalidLabel('label', 'has no positive row (1); binary needs both labels');
    if (!effective.includes(0)) throw invalidLabel('label', 'has no negative row (0); binary needs both labels');
  }
  if (valid !== undefined) {
    checkTable(valid.table, 'valid.table');
    if (valid.table.rows === 0) throw invalidLabel('valid.table', 'has no rows');
    checkLabel(valid.label, valid.table.rows, 'valid.label', params);
  } else if (params.earlyStoppingRounds !== undefined) {
    const field = { path: 'params.earlyStoppingRounds', message: 'needs validation rows in `valid`' };
    throw errors['invalid-parameter'](`${field.path} ${field.message}`, [field]);
  }
}

function checkLabel(label: Float32Array, rows: number, path: string, { objective }: GbdtParams): void {
  if (label.length !== rows) throw invalidLabel(path, `has ${label.length} values, but the table has ${rows} rows`);
  const accepts = objective === 'binary' ? (y: number) => y === 0 || y === 1 : Number.isFinite;
  const wrong = label.findIndex((y) => !accepts(y));
  if (wrong < 0) return;
  const expected = objective === 'binary' ? '0 or 1' : 'a finite number';
  throw invalidLabel(path, `row ${wrong} is ${label[wrong]}; a ${objective} label is ${expected}`);
}

function checkWeight(weight: Float32Array, rows: number): void {
  if (weight.length !== rows)
    throw invalidLabel('weight', `has ${weight.length} values, but the table has ${rows} rows`);
  const wrong = weight.findIndex((w) => !(w >= 0 && w < Infinity));
  if (wrong >= 0) throw invalidLabel('weight', `row ${wrong} is ${weight[wrong]}; a weight is finite and at least 0`);
  if (!weight.some((w) => w > 0)) throw invalidLabel('weight', 'is 0 in every row');
}

function invalidLabel(path: string, message: string): Error {
  return errors['invalid-label'](`${path} ${message}`, [{ path, message }]);
}
