import type { Tensor, TensorSpec } from '../tensors/tensor.ts';
import type { Batch, ModelShape, TensorCall } from './model-runtime.ts';

/** What a thread is started with. */
export interface ThreadModel {
  readonly path: string;
  /** `tensors` for a model that is called by the names of its tensors. */
  readonly shape: ModelShape | 'tensors';
}

/** To the thread: one message a batch, never one a request. `null` asks it to end. */
export type ThreadRequest = { readonly id: number; readonly work: Batch | TensorCall } | null;

/** What a warm model in a thread tells of itself; the specs are empty for a tabular one. */
export interface ThreadWarm {
  readonly rowMs: number;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** From the thread: first whether the model is warm, then one answer a batch, in order. */
export type ThreadReply =
  | { readonly warm: ThreadWarm }
  | { readonly failed: string }
  | { readonly id: number; readonly result: Float32Array | Tensor[] }
  | { readonly id: number; readonly error: string };
