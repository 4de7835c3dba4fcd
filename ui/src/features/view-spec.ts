import type { FeatureViewSpec } from '#features/contract';
import type { ResourceView } from '#platform/resources/contract';

/** What was applied was validated against the schema of its kind. */
export function viewSpec({ spec }: ResourceView): FeatureViewSpec {
  return spec as FeatureViewSpec;
}
