import type { Resources } from '#platform/resources';
import type { RegistryGateRequest } from '#registry';
import { gatePolicySpec } from './contract.ts';
import type { Policy } from './model.ts';

export interface AppliedPolicy extends Policy {
  readonly generation: number;
}

/** The policies that a transition of a model has to satisfy, by name. */
export async function policiesFor(
  resources: Resources,
  { model, transition }: Pick<RegistryGateRequest, 'model' | 'transition'>,
): Promise<AppliedPolicy[]> {
  const declared = await resources.list('gate-policy');
  return declared
    .map(({ name, generation, spec }) => ({ name, generation, spec: gatePolicySpec.parse(spec) }))
    .filter(({ spec }) => spec.model === model && spec.transitions.includes(transition));
}
