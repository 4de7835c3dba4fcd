import type { Clock } from '#core/clock';
import { type Random, seededRandom } from '#core/random';
import type { Batch } from '../model-runtime.ts';
import type { Forest } from './forest.ts';

const ROWS = 128;
/** Rows that are timed together. */
const BLOCK = 16;
const THRESHOLDS_MAX = 500;
/** How often the forest is timed again that has not come out sooner: code that runs for the first time is slow. */
const PASSES_MAX = 20;

/**
 * What a comparison of a forest with the runtime found. `same` is to the last bit: which of the two scores a model
 * depends on time, and an answer must not. Times are of one row alone in the fastest block of rows, in milliseconds:
 * other work on the machine holds up single blocks, and by the mean of all decided which of the two is taken.
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
export async function compareScores(
  forest: Forest,
  runtime: (batch: Batch) => Float32Array,
  clock: Pick<Clock, 'monotonic'>,
): Promise<Comparison> {
  const rows = probingRows(forest);
  const blocks = Array.from({ length: ROWS / BLOCK }, (_, i) => rows.slice(i * BLOCK, (i + 1) * BLOCK));
  const timed = (run: (batch: Batch) => Float32Array, block: readonly Batch[]): Timed => {
    const startedMs = clock.monotonic();
    const scores = block.map((row) => run(row)[0] as number);
    return { scores, rowMs: (clock.monotonic() - startedMs) / block.length };
  };
  for (const row of rows) {
    runtime(row);
    forest.run(row);
  }
  let found: Comparison = {
    same: true,
    forestRowMs: Number.POSITIVE_INFINITY,
    runtimeRowMs: Number.POSITIVE_INFINITY,
  };
  for (let pass = 0; pass < PASSES_MAX && found.same && found.forestRowMs >= found.runtimeRowMs; pass++) {
    // Other requests go on in between, and so does the compiler, whose code takes effect in a later turn.
    if (pass > 0) await new Promise((resolve) => setImmediate(resolve));
    found = blocks.reduce((sum, block) => {
      const [expected, own] = [timed(runtime, block), timed((row) => forest.run(row), block)];
      return {
        same: sum.same && own.scores.every((score, i) => Object.is(score, expected.scores[i])),
        forestRowMs: Math.min(sum.forestRowMs, own.rowMs),
        runtimeRowMs: Math.min(sum.runtimeRowMs, expected.rowMs),
      };
    }, found);
  }
  return found;
}

interface Timed {
  readonly scores: readonly number[];
  readonly rowMs: number;
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
