import type { Tensor, TensorSpec } from '../../tensors/tensor.ts';
import type { TensorCall } from '../model-runtime.ts';

/** What another server says of one of its models. */
export interface RemoteModel {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Rows of one call that the server takes; 0 where the first dimension is no batch, absent when it does not say. */
  readonly maxBatchSize?: number | undefined;
}

/** One model of a server of the Open Inference Protocol, over whichever wire. Every call rejects within its time. */
export interface RemoteServer {
  /** Throws `gateway/model-unavailable` for a server without the model, and {@link RemoteFailure} as `infer` does. */
  describe(timeoutMs: number): Promise<RemoteModel>;
  /** Whether it would answer now. Never rejects. */
  isReady(timeoutMs: number): Promise<boolean>;
  /** The wanted outputs, in that order. Rejects with {@link RemoteFailure}. */
  infer(call: TensorCall, timeoutMs: number): Promise<Tensor[]>;
  close(): void;
}

/**
 * Why a call has no answer.
 *
 * - `unsent`: there was no connection, so that nothing was run.
 * - `lost`: the connection ended before the answer, and nobody knows whether it was run.
 * - `busy`: the server said that it does not run it now.
 * - `late`: no answer within the time.
 * - `refused`: the server found the call at fault.
 * - `missing`: the server does not have the model.
 * - `failed`: the server failed, or its answer makes no sense.
 */
export type FailureKind = 'unsent' | 'lost' | 'busy' | 'late' | 'refused' | 'missing' | 'failed';

export class RemoteFailure extends Error {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string) {
    super(message.slice(0, 500));
    this.kind = kind;
  }
}
