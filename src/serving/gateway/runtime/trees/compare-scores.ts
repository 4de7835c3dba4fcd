import type { Clock } from '#core/clock';
import { type Random, seededRandom } from '#core/random';
import type { Batch } from '../model-runtime.ts';
import type { Forest } from './forest.ts';

const ROWS = 128;
const THRESHOLDS_MAX = 500;

/**
 * What a comparison of a forest with the runtime found. `same` is to the last bit: which of the two scores a model
 * depends on time, and an answer must not. Times are of one row alone, in milliseconds.
 */
export interface Comparison {
  readonly same: boolean;
  readonly forestRowMs: number;
  readonly runtimeRowMs: number;
}

/**
 * Compares a forest with the runtime, on rows made to find a difference: each value is a threshold of its column, just
 * beside one, far away or missing, each category known or unknown. The rows differ, so that the times are not those of
 * a branch predictor that knows the answer.
 */
export function compareScores(
  forest: Forest,
  runtime: (batch: Batch) => Float32Array,
  clock: Pick<Clock, 'monotonic'>,
): Comparison {
  const rows = probingRows(forest);
  const timed = (
    run: (batch: Batch) => Float32Array,
  ): { readonly scores: readonly number[]; readonly rowMs: number } => {
    rows.forEach(run);
    const startedMs = clock.monotonic();
    const scores = rows.map((row) => run(row)[0] as number);
    return { scores, rowMs: (clock.monotonic() - startedMs) / rows.length };
  };
  const expected = timed(runtime);
  const found = timed((row) => forest.run(row));
  const same = found.scores.every((score, i) => Object.is(score, expected.scores[i]));
  return { same, forestRowMs: found.rowMs, runtimeRowMs: expected.rowMs };
}

function probingRows(forest: Forest): readonly Batch[] {
  const random = seededRandom(1);
  const columns = forest.columns.map((column, k) => ({ column, thresholds: forest.thresholds(k, THRESHOLDS_MAX) }));
  const numericWidth = columns.filter(({ column }) => column.kind === 'numeric').length;
  return Array.from({ length: ROWS }, () => {
    const numeric = new Float32Array(numericWidth);
    const categories = new Array<string>(columns.length - numericWidth).fill('');
    for (const { column, thresholds } of columns) {
      if (column.kind === 'numeric') numeric[column.index] = probingNumber(thresholds, random);
      else categories[column.index] = probingText([...column.codes.keys()], random);
    }
    return { rows: 1, numeric, categories };
  });
}

function probingNumber(thresholds: readonly number[], random: Random): number {
  const threshold = thresholds[random.int(Math.max(1, thresholds.length))] ?? 0;
  const kind = random.int(8);
  if (kind === 0) return Number.NaN;
  if (kind < 3) return threshold;
  if (kind < 6) return threshold * (1 + (random.next() - 0.5) * 1e-6) + (random.next() - 0.5) * 1e-6;
  return (random.next() - 0.5) * 10 ** random.int(9);
}

function probingText(known: readonly string[], random: Random): string {
  return known[random.int(known.length + 1)] ?? 'a text that no training saw';
}
