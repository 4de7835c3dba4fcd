import type { CategoryColumn } from './table.ts';

/** Rows of prior that each category is mixed with before categories are ranked. */
const CATEGORY_PRIOR_ROWS = 10;

/**
 * Ranks the categories of a column by their smoothed target mean, lowest first:
 *
 *     s(c) = (W(c) · mean(c) + m · mean) / (W(c) + m),   m = CATEGORY_PRIOR_ROWS
 *
 * where W(c) is the weight of the training rows of category c, mean(c) their mean label and mean the overall one
 * (Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes in classification and prediction
 * problems", SIGKDD Explorations 3(1), 2001). Splitting the ranks at thresholds is then the optimal two-way grouping of
 * categories for one split on squared or log loss (Fisher 1958; Breiman et al. 1984, section 9.4).
 *
 * Returns the categories that occur in training, in rank order: the ordinal of a category is its index. A category that
 * never occurs is left out, so that it is treated like an unseen one. Equal means keep the order of `categories`.
 */
export function rankCategories(column: CategoryColumn, label: Float32Array, weight?: Float32Array): string[] {
  const { codes, categories } = column;
  const weights = new Float64Array(categories.length);
  const sums = new Float64Array(categories.length);
  const rows = new Float64Array(categories.length);
  let totalWeight = 0;
  let totalSum = 0;
  for (let row = 0; row < codes.length; row++) {
    const w = weight === undefined ? 1 : weight[row]!;
    const y = w * label[row]!;
    totalWeight += w;
    totalSum += y;
    const code = codes[row]!;
    if (code < 0) continue;
    weights[code]! += w;
    sums[code]! += y;
    rows[code]!++;
  }
  const prior = totalSum / totalWeight;
  const smoothed = sums.map(
    (sum, code) => (sum + CATEGORY_PRIOR_ROWS * prior) / (weights[code]! + CATEGORY_PRIOR_ROWS),
  );
  return [...categories.keys()]
    .filter((code) => rows[code]! > 0)
    .sort((a, b) => smoothed[a]! - smoothed[b]! || a - b)
    .map((code) => categories[code]!);
}

/** The column as ordinals of `ranked`; NaN for missing and for categories that are not in `ranked`. */
export function encodeCategories(column: CategoryColumn, ranked: readonly string[]): Float32Array {
  const ordinals = new Map(ranked.map((category, ordinal) => [category, ordinal]));
  const byCode = Float32Array.from(column.categories, (category) => ordinals.get(category) ?? Number.NaN);
  const values = new Float32Array(column.codes.length);
  for (let row = 0; row < values.length; row++) {
    const code = column.codes[row]!;
    values[row] = code < 0 ? Number.NaN : byCode[code]!;
  }
  return values;
}
