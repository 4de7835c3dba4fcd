import type { Digest } from '#core/hash';
import type { Tensor, TensorSpec } from '../tensors/tensor.ts';

/** Rows to score together. `numeric` is [rows, F] and `categories` [rows, C], both flat and row by row. */
export interface Batch {
  readonly rows: number;
  readonly numeric: Float32Array;
  readonly categories: readonly string[];
}

/** How many columns of each kind the model takes, and under which name it answers. */
export interface ModelShape {
  readonly numeric: number;
  readonly categories: number;
  readonly output: 'probability' | 'value';
}

/**
 * A loaded and warmed model.
 *
 * - A runtime in a thread answers a promise; the others answer at once and hold the event loop meanwhile. Either
 *   throws, or rejects, when the model fails; the runtime stays usable.
 * - After `unload` nothing may be inferred; what is in work is finished first.
 */
interface LoadedModel {
  /** `trees`: our own walk over boosted trees. `inline`: ONNX Runtime on the event loop. `thread`: in a thread. */
  readonly kind: 'trees' | 'inline' | 'thread';
  /** An estimate: model runtimes do not tell what they use. */
  readonly memoryBytes: number;
  /** Time of one row after warm-up, in milliseconds. */
  readonly rowMs: number;
  /** False once it can never answer again, as when its thread died: load the model anew. */
  readonly usable: boolean;
  unload(): Promise<void>;
}

/** A tabular model: one score a row. */
export interface ModelRuntime extends LoadedModel {
  infer(batch: Batch): Float32Array | Promise<Float32Array>;
}

/** A model of any tensors. */
export interface TensorRuntime extends LoadedModel {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** The outputs of a call, in the order in which it names them. */
  run(call: TensorCall): Tensor[] | Promise<Tensor[]>;
}

export interface TensorCall {
  readonly feeds: readonly Tensor[];
  readonly wanted: readonly string[];
}

/** `auto` decides by what was measured at warm-up. */
export type RuntimeChoice = 'auto' | 'inline' | 'thread';

/** A model of any tensors in a file, next to which it may keep its weights. `key` tells its contents from others. */
export interface TensorFile {
  readonly key: string;
  readonly path: string;
}

/** Which tabular model, and how it is called. */
export interface ModelFile {
  readonly digest: Digest;
  readonly shape: ModelShape;
}
