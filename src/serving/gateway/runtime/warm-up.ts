import type { Clock } from '#core/clock';
import type { Batch, ModelShape } from './model-runtime.ts';

const WARM_UP_RUNS = 12;
/** A model that is slow anyway need not run twelve times before that is known. */
const WARM_UP_MS = 100;

/** Runs the model on rows of zeros until it is warm, and tells the fastest time of one row in milliseconds. */
export function warmUp(run: (batch: Batch) => void, shape: ModelShape, clock: Pick<Clock, 'monotonic'>): number {
  const batch = zeroRow(shape);
  let rowMs = Number.POSITIVE_INFINITY;
  const startedMs = clock.monotonic();
  for (let i = 0; i < WARM_UP_RUNS && (i < 2 || clock.monotonic() - startedMs < WARM_UP_MS); i++) {
    const before = clock.monotonic();
    run(batch);
    rowMs = Math.min(rowMs, clock.monotonic() - before);
  }
  return rowMs;
}

function zeroRow(shape: ModelShape): Batch {
  return {
    rows: 1,
    numeric: new Float32Array(shape.numeric),
    categories: Array.from({ length: shape.categories }, () => ''),
  };
}
