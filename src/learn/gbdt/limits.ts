/** What the trainer accepts. The memory limit is the one met in practice; the others keep a mistake from hurting. */
export const GBDT_LIMITS = {
  rowsMax: 50_000_000,
  columnsMax: 4_096,
  /** Distinct categories of one column. */
  categoriesMax: 100_000,
  treesMax: 10_000,
  leavesMax: 4_096,
  /** Bins of the values of one column; a missing value has a bin of its own beside them. */
  binsMax: 255,
  /** Rows, histograms and index lists live in one WebAssembly memory. */
  kernelBytesMax: 3 * 1024 ** 3,
} as const;
