import type { QueueWish } from '../batching/batch-policy.ts';
import type { ArmAsked } from '../named-arm.ts';
import type { OnGone } from '../prediction.ts';
import type { Caller } from '../protection/access/caller.ts';
import type { DynamicBatching } from '../repository/dynamic-batching.ts';
import type { Tensor, TensorInput, TensorSpec } from '../tensors/tensor.ts';
import type { WatchedRequest } from '../watch/request-watch.ts';

/** The calls of the Open Inference Protocol v2, whichever of its two wire forms (REST and gRPC) carries them. */

/** `version` addresses one version of a model; without it `model` is an endpoint, or a model of the repository. */
export interface InferCall {
  /** Who asks; undefined where nobody has to say. */
  readonly caller?: Caller | undefined;
  /** Counts for endpoints; a version or a model of the repository has no arms. */
  readonly asked?: ArmAsked | undefined;
  /** Of a gateway that watches requests. */
  readonly watched?: WatchedRequest | undefined;
  /** Absent where nobody can leave, as when the answer is kept for the client. */
  readonly onGone?: OnGone | undefined;
  readonly model: string;
  readonly version?: string | undefined;
  readonly id?: string | undefined;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** What it asks of the queue, where not its parameters say that. */
  readonly wish?: QueueWish | undefined;
  /** Raw: the whole body is the one tensor that the model takes, and its shape follows from its length. */
  readonly inputs: readonly TensorInput[] | { readonly rawBody: Buffer };
  /** Every output when absent. */
  readonly outputs?: readonly RequestedOutput[] | undefined;
}

export interface RequestedOutput {
  readonly name: string;
  /** How many of the greatest values to answer, as texts; 0 answers the tensor itself. */
  readonly classes: number;
}

export interface InferResult {
  readonly model: string;
  readonly version: string;
  readonly id: string;
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly outputs: readonly Tensor[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** A model's configuration, in the fields of Triton's that have a meaning here. */
export interface ServedConfig {
  readonly name: string;
  readonly platform: string;
  readonly backend: string;
  readonly version_policy: object;
  readonly max_batch_size: number;
  readonly input: readonly ConfigTensor[];
  readonly output: readonly ConfigTensor[];
  readonly default_model_filename: string;
  readonly dynamic_batching?: Partial<DynamicBatching>;
}

export interface ConfigTensor {
  readonly name: string;
  /** `TYPE_FP32` and so on; a text is `TYPE_STRING`. */
  readonly data_type: string;
  /** Without the batch, if there is one. */
  readonly dims: readonly number[];
}

export const PLATFORM = 'onnxruntime_onnx';
