import { datasetCommitted } from '#datasets';
import type { DomainParts } from '#platform/domain';
import type { ResourceKind } from '#platform/resources';
import { type FeatureViewSpec, featureViewSpec } from './contract.ts';
import { featureHandlers } from './handlers.ts';
import { FeatureService, type FeaturesDeps } from './service.ts';

export type { FeatureViewSpec } from './contract.ts';
export { FeatureReader } from './online.ts';
export { type FeaturePlan, featureNames, type PlannedView, plannedView } from './plan.ts';
export { buildTrainingSet, type TrainingSet, type TrainingSetQuery } from './training-set.ts';
export {
  appendRows,
  type LeakReport,
  leakCheck,
  readWindows,
  type StateRows,
  type WindowView,
  windowFeatures,
} from './window/window.ts';

export interface Features extends Pick<FeatureService, 'plan' | 'readOnline' | 'recompute' | 'reader'> {
  readonly parts: DomainParts;
}

export const featureKinds: readonly ResourceKind[] = [
  {
    kind: 'feature-view',
    schema: featureViewSpec,
    references: (spec) => [{ kind: 'dataset', name: (spec as FeatureViewSpec).dataset }],
  },
];

/** Features: one definition for training sets, for the online store and for the proof that neither saw the future. */
export function createFeatures(deps: FeaturesDeps): Features {
  const service = new FeatureService(deps);
  return {
    plan: service.plan.bind(service),
    readOnline: service.readOnline.bind(service),
    recompute: service.recompute.bind(service),
    reader: service.reader,
    parts: {
      routes: [featureHandlers(service)],
      consumers: [
        {
          name: 'features.materialize',
          types: [datasetCommitted.type, 'resource.applied', 'resource.deleted'],
          effect: (event) => {
            if (event.type === datasetCommitted.type) return service.onCommitted(event);
            return event.type === 'resource.applied' ? service.onApplied(event) : service.onDeleted(event);
          },
        },
      ],
      jobs: [],
    },
  };
}
