import type { FeaturePlan } from '#features';

/**
 * Looks features up online for one request. Implemented by the feature store, used by the gateway.
 *
 * The answer has one number per feature of the plan, view after view in the order of the plan, as known at `at` (epoch
 * milliseconds); NaN where nothing is known. A store in the memory of this process answers without a promise. Throws
 * when the store cannot be read; the gateway then refuses the request, because a guess would be scored as a fact.
 */
export interface FeatureReader {
  read(plan: FeaturePlan, entities: Readonly<Record<string, string>>, at: number): FeatureRow | Promise<FeatureRow>;
}

export type FeatureRow = ArrayLike<number>;
