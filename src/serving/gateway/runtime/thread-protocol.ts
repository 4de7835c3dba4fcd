import type { Batch, ModelShape } from './model-runtime.ts';

/** What a thread is started with. */
export interface ThreadModel {
  readonly path: string;
  readonly shape: ModelShape;
}

/** To the thread: one message a batch, never one a request. `null` asks it to end. */
export type ThreadRequest = { readonly id: number; readonly batch: Batch } | null;

/** From the thread: first whether the model is warm, then one answer a batch, in order. */
export type ThreadReply =
  | { readonly warm: number }
  | { readonly failed: string }
  | { readonly id: number; readonly scores: Float32Array }
  | { readonly id: number; readonly error: string };
