import type { ModelRuntime, NodeRun, RowHolder } from './runtime/model-runtime.ts';

/** The most rows of one run: some two milliseconds of a small model, so that a turn stays short. */
export const ROWS_PER_RUN_MAX = 512;

/**
 * Scores rows of one model in one run: one score a row, in order. Throws or rejects when the model fails. `trace` takes
 * what the nodes of a graph did.
 */
export function scoreRows(
  runtime: ModelRuntime,
  rows: readonly RowHolder[],
  trace?: NodeRun[],
): Float32Array | Promise<Float32Array> {
  if (runtime.inferRows) return runtime.inferRows(rows);
  const first = rows[0]?.row;
  const width = first?.numeric.length ?? 0;
  const numeric = new Float32Array(rows.length * width);
  const categories: string[] = [];
  for (let i = 0, at = 0; i < rows.length; i++) {
    const { row } = rows[i] as RowHolder;
    for (let j = 0; j < width; j++) numeric[at++] = row.numeric[j] as number;
    for (const text of row.categories) categories.push(text);
  }
  return runtime.infer({ rows: rows.length, numeric, categories, trace });
}
