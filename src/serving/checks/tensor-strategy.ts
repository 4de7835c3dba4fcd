import type { RolloutPlan } from '../model.ts';
import type { Arm } from '../routing.ts';

/** Why versions of tensors cannot have a rollout of this plan, as a sentence without its end; undefined if they can. */
export function unfitForTensors(arms: readonly Arm[], { live }: Pick<RolloutPlan, 'live'>): string | undefined {
  const arm = arms.find(({ tensors }) => tensors);
  if (!arm) return undefined;
  if (!live) {
    const why = `compares the loss of one probability a request, and ${arm.revision} answers tensors`;
    return `The strategy 'paired' ${why}: declare canary, blue-green, shadow, ab or bandit`;
  }
  if (live.strategy !== 'bandit' || live.bandit.policy !== 'linucb') return undefined;
  return `The policy 'linucb' goes by columns of numbers, which ${arm.revision} does not have: declare another policy`;
}
