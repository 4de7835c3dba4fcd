import type { Clock } from '#core/clock';
import { numberType } from '../tensors/datatypes.ts';
import { sizeOf, type Tensor, type TensorSpec } from '../tensors/tensor.ts';
import type { Batch, ModelShape, TensorCall } from './model-runtime.ts';

const WARM_UP_RUNS = 12;
/** A model that is slow anyway need not run twelve times before that is known. */
const WARM_UP_MS = 100;

/** Runs the model on rows of zeros until it is warm, and tells the fastest time of one row in milliseconds. */
export function warmUp(run: (batch: Batch) => void, shape: ModelShape, clock: Pick<Clock, 'monotonic'>): number {
  const batch = zeroRow(shape);
  return fastest(() => run(batch), clock);
}

interface Tensors {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  run(call: TensorCall): unknown;
}

/** The same for a model of any tensors. `Infinity` when it does not take zeros, as one that looks words up may not. */
export function warmUpTensors(session: Tensors, clock: Pick<Clock, 'monotonic'>): number {
  const call = { feeds: session.inputs.map(zeroTensor), wanted: session.outputs.map(({ name }) => name) };
  try {
    return fastest(() => session.run(call), clock);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function fastest(run: () => void, clock: Pick<Clock, 'monotonic'>): number {
  let rowMs = Number.POSITIVE_INFINITY;
  const startedMs = clock.monotonic();
  for (let i = 0; i < WARM_UP_RUNS && (i < 2 || clock.monotonic() - startedMs < WARM_UP_MS); i++) {
    const before = clock.monotonic();
    run();
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

function zeroTensor({ name, datatype, shape }: TensorSpec): Tensor {
  const sizes = shape.map((size) => (size < 0 ? 1 : size));
  const count = sizeOf(sizes);
  const format = numberType(datatype);
  const values = format ? format.over(new ArrayBuffer(count * format.bytes)) : Array.from({ length: count }, () => '');
  return { name, datatype, shape: sizes, values };
}
