import type { BatchPolicy } from './batching/batch-policy.ts';
import type { LiveArm, LiveTensors } from './live-endpoint.ts';
import type { Prediction } from './prediction.ts';
import { batchOf } from './repository/model-repository.ts';
import type { NodeRun } from './runtime/model-runtime.ts';
import type { TensorScorer } from './tensor-scorer.ts';
import { numbersOf } from './tensors/compare.ts';
import type { Tensor, TensorSpec } from './tensors/tensor.ts';

/** Of a prediction by tensors: what the request gave and asked for, and the answer once there is one. */
export interface TensorWork {
  readonly feeds: readonly Tensor[];
  /** The names of the outputs that are asked for. */
  readonly wanted: readonly string[];
  /** Rows in it, by which it counts for limits; 1 where the first dimension is no batch. */
  readonly rows: number;
  outputs: readonly Tensor[];
}

export interface TensorAnswer {
  readonly outputs: readonly Tensor[];
  readonly nodes: readonly NodeRun[] | undefined;
}

export interface TensorScoring {
  readonly tensorScorer: Pick<TensorScorer, 'infer'>;
  /** Rows of one run. */
  readonly rowsMax: number;
}

/**
 * What an arm answers to a prediction by tensors. Rejects as `TensorScorer.infer` does, and with an `Error` that says
 * why where the arm does not take what the request gives: that is the arm's failure, since the current revision does.
 */
export async function answerOfTensors(
  { tensorScorer, rowsMax }: TensorScoring,
  { endpoint, tensors: work, reply }: Prediction,
  { arm, purpose }: { readonly arm: LiveArm; readonly purpose: 'answer' | 'shadow' },
): Promise<TensorAnswer> {
  const { tensors, arm: version } = arm;
  if (!tensors) throw new Error(`${version.revision} takes columns, and the endpoint is called by tensors`);
  if (!work) throw new Error(`${version.revision} takes tensors, and the endpoint is called by columns`);
  const { file, inputs, outputs } = tensors;
  const trace: NodeRun[] | undefined = version.parts ? [] : undefined;
  const { batching, routed } = endpoint;
  const { place, onGone } = reply;
  const waits = batching && place && purpose === 'answer' ? { name: routed.name, policy: batching, place } : undefined;
  const answer = await tensorScorer.infer({
    served: {
      ...{ model: endpoint.routed.name, version: String(version.version), file, inputs, outputs },
      maxBatchSize: rowsPerRun(tensors, rowsMax, batching),
      labels: new Map(),
    },
    feeds: feedsFor(work.feeds, inputs, version.revision),
    wanted: wantedFrom(work.wanted, outputs, version.revision),
    ...{ trace, beside: purpose === 'shadow', waits, onGone, watched: reply.watched, timeoutMs: routed.timeoutMs },
  });
  return { outputs: answer, nodes: trace };
}

/** 0 where the first dimension of what it takes or answers is no batch. */
export function rowsPerRun(
  { inputs, outputs }: Pick<LiveTensors, 'inputs' | 'outputs'>,
  rowsMax: number,
  batching: BatchPolicy | undefined,
): number {
  return batchOf({ inputs, outputs }, Math.min(rowsMax, batching?.rowsMax ?? rowsMax));
}

/** In the order of the model's inputs. */
function feedsFor(feeds: readonly Tensor[], inputs: readonly TensorSpec[], revision: string): readonly Tensor[] {
  return inputs.map(({ name, datatype, shape }) => {
    const found = feeds.find((feed) => feed.name === name);
    if (!found) throw new Error(`${revision} takes '${name}', which the current revision does not`);
    const fits =
      found.datatype === datatype &&
      found.shape.length === shape.length &&
      shape.every((size, i) => size === -1 || size === found.shape[i]);
    if (fits) return found;
    const given = `${found.datatype} [${found.shape}]`;
    throw new Error(`${revision} takes '${name}' as ${datatype} [${shape}], the request has ${given}`);
  });
}

function wantedFrom(wanted: readonly string[], outputs: readonly TensorSpec[], revision: string): readonly string[] {
  const missing = wanted.find((name) => outputs.every((output) => output.name !== name));
  if (missing === undefined) return wanted;
  throw new Error(`${revision} has no output '${missing}', which the current revision has`);
}

/**
 * The one number that stands for an answer of tensors where a number is needed: the mean of the finite numbers of its
 * first output that has any, so of an answer of one number that number; 0 where there is none.
 */
export function scoreOf(outputs: readonly Tensor[]): number {
  for (const output of outputs) {
    const numbers = numbersOf(output);
    let sum = 0;
    let count = 0;
    for (let i = 0; i < numbers.length; i++) {
      const value = numbers[i] as number;
      if (!Number.isFinite(value)) continue;
      sum += value;
      count += 1;
    }
    if (count > 0 && Number.isFinite(sum)) return sum / count;
  }
  return 0;
}
