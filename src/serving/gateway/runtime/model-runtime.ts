import { type Digest, digestOf } from '#core/hash';
import type { Tensor, TensorSpec } from '../tensors/tensor.ts';

/** Rows to score together. `numeric` is [rows, F] and `categories` [rows, C], both flat and row by row. */
export interface Batch {
  readonly rows: number;
  readonly numeric: Float32Array;
  readonly categories: readonly string[];
  readonly trace?: NodeRun[] | undefined;
}

/** What has a row of its own: a missing number is NaN, a missing category is the empty text. */
export interface RowHolder {
  readonly row: { readonly numeric: readonly number[]; readonly categories: readonly string[] };
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
 * - `trees` and `inline` answer at once and hold the event loop meanwhile; the others answer a promise. Either throws,
 *   or rejects, when the model fails; the runtime stays usable.
 * - After `unload` nothing may be inferred; what is in work is finished first.
 */
interface LoadedModel {
  /**
   * `trees`: our own walk over boosted trees. `inline`: ONNX Runtime on the event loop. `thread`: in a thread.
   * `external`: another server of the Open Inference Protocol. `process`: a process that the gateway started.
   * `graph`: several models together.
   */
  readonly kind: 'trees' | 'inline' | 'thread' | 'external' | 'process' | 'graph';
  /** Runs that may be in work at the same time; more have to wait. */
  readonly concurrency: number;
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
  /** Of a model that reads rows where they are, without a batch made of them. */
  inferRows?(rows: readonly RowHolder[]): Float32Array;
}

/** A model of any tensors. */
export interface TensorRuntime extends LoadedModel {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Rows of one call, where something other than the gateway sets a limit; 0 when the first dimension is no batch. */
  readonly maxBatchSize?: number | undefined;
  /** The outputs of a call, in the order in which it names them. */
  run(call: TensorCall): Tensor[] | Promise<Tensor[]>;
}

export interface TensorCall {
  readonly feeds: readonly Tensor[];
  readonly wanted: readonly string[];
  /** Takes what each node of a graph did. */
  readonly trace?: NodeRun[] | undefined;
}

/** What one node of a graph did in a run. */
export interface NodeRun {
  readonly node: string;
  /** The version that ran, where the node is a model. */
  readonly revision?: string;
  /** Microseconds, from when the node could start. */
  readonly us: number;
  readonly error?: string;
}

/** `auto` decides by what was measured at warm-up. */
export type RuntimeChoice = 'auto' | 'inline' | 'thread';

/** A model of any tensors in a file, next to which it may keep its weights. `key` tells its contents from others. */
export interface TensorFile {
  readonly key: string;
  /** A file of this machine, or content of the blob store with what has to lie beside it. */
  readonly at: { readonly path: string } | StoredFile;
  /** Finds the parts of a graph that it is. */
  readonly partOf?: PartFinder | undefined;
}

export interface StoredFile {
  readonly digest: Digest;
  readonly beside?: readonly { readonly path: string; readonly digest: Digest }[];
}

/** Finds a model that a graph names, without loading it. Throws when there is none. */
export type PartFinder = (model: string) => Promise<{
  readonly revision: string;
  readonly file: TensorFile;
}>;

/** Which tabular model, and how it is called. `key` is of both: two signatures may share a file. */
export interface ModelFile {
  readonly key: string;
  readonly digest: Digest;
  readonly shape: ModelShape;
  readonly columns: ModelColumns;
  readonly partOf?: PartFinder | undefined;
}

/** The names of the columns of each kind, in the order in which a batch has them. */
export interface ModelColumns {
  readonly numeric: readonly string[];
  readonly categories: readonly string[];
}

export function modelFile(
  digest: Digest,
  columns: ModelColumns,
  { output, partOf }: { readonly output: ModelShape['output']; readonly partOf?: PartFinder | undefined },
): ModelFile {
  const shape = { numeric: columns.numeric.length, categories: columns.categories.length, output };
  return { key: digestOf(JSON.stringify([digest, columns, output])), digest, shape, columns, partOf };
}
