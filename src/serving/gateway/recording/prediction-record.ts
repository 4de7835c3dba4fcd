import type { NodeRun } from '../runtime/model-runtime.ts';
import type { TensorDifference } from '../tensors/compare.ts';
import type { RecordedTensor } from '../tensors/recorded-tensor.ts';

/** What is kept of every answered prediction. The control plane keeps one of each `id`. */
export interface PredictionRecord {
  readonly id: string;
  readonly endpoint: string;
  /** Event time in epoch milliseconds: what the request says, or when it came. */
  readonly at: number;
  readonly receivedAt: number;
  readonly revision: string;
  /** `current`, `candidate`, or of several candidates the name. */
  readonly arm: string;
  /** Of tensors the mean of the first output that has numbers; see `scoreOf`. */
  readonly score: number;
  /** The probability with which this arm was drawn, for off-policy evaluation. */
  readonly propensity: number;
  /** Who chose the arm where it was not drawn: `request`, `key:<name>` or `flag:<name>`; then propensity is 1. */
  readonly chosenBy?: string;
  readonly shadow?: ShadowScore;
  /** The revision that should have answered, and why it did not; `by` what answered for the current one. */
  readonly fallback?: {
    readonly revision: string;
    readonly error: string;
    readonly by?: 'previous' | 'model' | 'rule' | 'constant';
  };
  /** No model was asked: the revision had answered the same row before. */
  readonly cached?: boolean;
  /** The row as the answering revision got it, in the order of its signature; null for a missing number. */
  readonly numeric: readonly (number | null)[];
  readonly categories: readonly string[];
  readonly entities?: Readonly<Record<string, string>>;
  readonly latencyUs: number;
  /** Of a graph: which versions ran, for how long, and which failed. */
  readonly nodes?: readonly NodeRun[];
  readonly rollout?: string;
  /** Of an endpoint of tensors, whose rows are empty: what was given and answered, whole where it is small. */
  readonly tensors?: { readonly inputs: readonly RecordedTensor[]; readonly outputs: readonly RecordedTensor[] };
}

/** What the arm that did not answer made of the same row. `score` is null when it failed. */
export interface ShadowScore {
  readonly revision: string;
  readonly score: number | null;
  readonly error?: string;
  /** Of tensors: how its answer differs from the one that was given. */
  readonly difference?: TensorDifference;
}

/** A row as it is recorded: null for a missing number. */
export interface RecordedRow {
  readonly numeric: readonly (number | null)[];
  readonly categories: readonly string[];
}

/**
 * One entry of the local log. A prediction is written when it is answered; when another arm is scored beside
 * it, that score follows as an entry of its own, and `awaits` says so. `beside` is the row of that arm where it takes
 * others than the answering one, so that it can still be scored when the process ended before it was.
 */
export type LogEntry =
  | { readonly prediction: PredictionRecord; readonly awaits?: string; readonly beside?: RecordedRow }
  | { readonly shadowOf: string; readonly shadow: ShadowScore };
