/**
 * Bitemporal window features: one definition ({@link WindowView}) for training sets ({@link windowFeatures}), the proof
 * that they did not use the future ({@link leakCheck}), and online state ({@link appendRows}, {@link readWindows}).
 */
export { appendRows } from './append-rows.ts';
export type { EventColumns, KeyColumn, QueryColumns, ValueColumn } from './columns.ts';
export {
  longestWindowMs,
  type WindowAggregate,
  type WindowFeature,
  type WindowView,
} from './definition.ts';
export { entityKey } from './entity-key.ts';
export { windowErrors } from './errors.ts';
export {
  type FeatureLeak,
  type LeakExample,
  type LeakInput,
  type LeakReport,
  leakCheck,
} from './leak-check.ts';
export { type WindowInput, windowFeatures } from './offline.ts';
export { readWindows } from './read-windows.ts';
export { type EventBatch, type StateRows, viewRows } from './view-rows.ts';
