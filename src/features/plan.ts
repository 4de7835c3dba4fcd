import { durationMs } from '#core/units';
import type { FeatureViewSpec } from './contract.ts';
import { longestWindowMs, type WindowView } from './window/window.ts';

/** A feature view as the window operator and the online store take it. Plain data, so it travels in a routing table. */
export interface PlannedView extends WindowView {
  readonly name: string;
  /** How much history an entity's online state keeps, in milliseconds. */
  readonly horizonMs: number;
}

export { longestWindowMs };

/** What an endpoint looks up for a request: the features of each view, in this order. */
export interface FeaturePlan {
  readonly views: readonly PlannedView[];
}

export function plannedView(name: string, spec: FeatureViewSpec): PlannedView {
  const view: WindowView = {
    keys: spec.keys,
    time: spec.time,
    features: spec.features.map((feature) => ({
      name: feature.name,
      aggregate: feature.aggregate,
      ...(feature.column === undefined ? {} : { column: feature.column }),
      windowMs: durationMs(feature.window),
    })),
  };
  return { name, ...view, horizonMs: longestWindowMs(view) + durationMs(spec.lateness) };
}

/** The names of a plan's features, in the order in which they are read. */
export function featureNames(plan: FeaturePlan): string[] {
  return plan.views.flatMap((view) => view.features.map((feature) => feature.name));
}

/** The columns of the dataset that a view needs beside the times. */
export function valueColumnsOf(view: WindowView): string[] {
  return [...new Set(view.features.flatMap((feature) => feature.column ?? []))];
}
