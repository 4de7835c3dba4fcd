/** What a step needs to build training sets: a door of its own, so that its process does not load the service. */
export type { FeatureViewSpec } from './contract.ts';
export { plannedView } from './plan.ts';
export { buildTrainingSet } from './training-set.ts';
export type { LeakReport } from './window/window.ts';
