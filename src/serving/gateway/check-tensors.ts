import type { GoldenTensor } from '../checks/golden-request.ts';
import { gatewayErrors } from './errors.ts';
import type { LiveArm, LiveTensors } from './live-endpoint.ts';
import { feedsOf } from './open-inference/tensor-models.ts';
import type { ModelCache } from './runtime/model-cache.ts';
import { whenLoaded } from './runtime/when-loaded.ts';
import { numbersOf } from './tensors/compare.ts';
import type { Tensor } from './tensors/tensor.ts';

/** Golden requests of models of tensors, asked of a candidate. */

interface GoldenTensors {
  readonly inputs: readonly GoldenTensor[];
  readonly outputs: readonly GoldenTensor[];
}

/** Throws `gateway/invalid-request` for tensors that the candidate does not take. */
export function feedsOfGolden(arm: LiveArm, { inputs }: GoldenTensors): readonly Tensor[] {
  return feedsOf({ inputs }, { inputs: tensorsOf(arm).inputs, maxBatchSize: 0 });
}

/** The outputs that are expected, from the candidate's model. */
export async function answeredTensors(
  arm: LiveArm,
  { feeds, wanted }: { readonly feeds: readonly Tensor[]; readonly wanted: readonly GoldenTensor[] },
  cache: ModelCache,
): Promise<readonly Tensor[]> {
  const { file, outputs } = tensorsOf(arm);
  const missing = wanted.find(({ name }) => outputs.every((output) => output.name !== name));
  if (missing) throw new Error(`${arm.arm.revision} has no output '${missing.name}'`);
  return whenLoaded({
    ready: () => cache.readyTensors(file),
    load: () => cache.loadTensors(file),
    use: (runtime) => runtime.run({ feeds, wanted: wanted.map(({ name }) => name) }),
  });
}

/** By how much the answer differs from what is expected: infinitely in form, in a text, or in what is no number. */
export async function comparedTensors(
  arm: LiveArm,
  golden: GoldenTensors,
  cache: ModelCache,
): Promise<{ readonly difference: number; readonly text: string }> {
  const answers = await answeredTensors(arm, { feeds: feedsOfGolden(arm, golden), wanted: golden.outputs }, cache);
  let worst = { difference: 0, text: 'is answered as expected' };
  for (const [i, expected] of golden.outputs.entries()) {
    const { difference, at } = furthest(answers[i] as Tensor, expected);
    if (difference <= worst.difference) continue;
    const apart = Number.isFinite(difference) ? `by ${Number(difference.toPrecision(3))}` : 'in more than a number';
    worst = { difference, text: `differs in '${expected.name}'${at < 0 ? ' in its form' : `, at ${at}, ${apart}`}` };
  }
  return worst;
}

/** The place of the value that is furthest from the expected one; −1 for all of them. */
function furthest(answer: Tensor, expected: GoldenTensor): { readonly difference: number; readonly at: number } {
  const { datatype, shape, data } = expected;
  const alike = answer.datatype === datatype && String(answer.shape) === String(shape);
  if (!alike || answer.values.length !== data.length) return { difference: Number.POSITIVE_INFINITY, at: -1 };
  const texts = Array.isArray(answer.values) ? answer.values : undefined;
  const numbers = numbersOf(answer);
  let found = { difference: 0, at: 0 };
  for (const [at, wanted] of data.entries()) {
    const difference = texts ? apartOf(texts[at], wanted) : distance(numbers[at] as number, wanted);
    if (difference > found.difference) found = { difference, at };
  }
  return found;
}

/** Null stands for NaN and infinities; a whole number past 2^53 is a text. */
function distance(value: number, wanted: GoldenTensor['data'][number]): number {
  if (wanted === null || !Number.isFinite(value)) return apartOf(Number.isFinite(value), wanted !== null);
  return Math.abs(value - Number(wanted));
}

function apartOf(a: unknown, b: unknown): number {
  return a === b ? 0 : Number.POSITIVE_INFINITY;
}

function tensorsOf({ tensors, arm }: LiveArm): LiveTensors {
  if (tensors) return tensors;
  throw gatewayErrors['model-unavailable'](`${arm.revision} takes columns, and the golden request has tensors`);
}
