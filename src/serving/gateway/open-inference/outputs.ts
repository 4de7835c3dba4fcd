import { invalidField } from '../errors.ts';
import type { Tensor, TensorSpec } from '../tensors/tensor.ts';
import { classify } from './classification.ts';
import type { RequestedOutput } from './protocol.ts';

/** The names of what is asked for: every output unless told. Throws `gateway/invalid-request` for one there is not. */
export function wantedOf(
  outputs: readonly RequestedOutput[] | undefined,
  specs: readonly Pick<TensorSpec, 'name'>[],
): readonly string[] {
  const names = specs.map(({ name }) => name);
  if (outputs === undefined || outputs.length === 0) return names;
  for (const { name } of outputs) {
    if (!names.includes(name)) {
      throw invalidField(
        `outputs.${name.slice(0, 80)}`,
        `is not an output of this model, which has ${names.join(', ')}`,
      );
    }
  }
  return outputs.map(({ name }) => name);
}

/** The answers in the form in which they were asked for: themselves, or their greatest values. */
export function asRequested(
  answers: readonly Tensor[],
  outputs: readonly RequestedOutput[] | undefined,
  model: { readonly batched: boolean; readonly labels: ReadonlyMap<string, readonly string[]> },
): readonly Tensor[] {
  return answers.map((tensor) => {
    const count = outputs?.find(({ name }) => name === tensor.name)?.classes ?? 0;
    if (count === 0) return tensor;
    return classify(tensor, { count, batched: model.batched, labels: model.labels.get(tensor.name) ?? [] });
  });
}
