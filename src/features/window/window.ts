/**
 * Bitemporal window features: one definition ({@link WindowView}) for training sets ({@link windowFeatures}), the proof
 * that they did not use the future ({@link leakCheck}), and online state ({@link appendRows}, {@link readWindows}).
 */
export { appendRows } from './append-rows.ts';
export type { EventColumns, KeyColumn, QueryColumns, ValueColumn } from './columns.ts';
export {
  longestWindowMs,
  planViews,
  WINDOW_FEATURES_MAX,
  WINDOW_KEYS_MAX,
  WINDOW_MS_MAX,
  WINDOW_NAME_LENGTH_MAX,
  type WindowAggregate,
  type WindowFeature,
  type WindowView,
} from './definition.ts';
export { ENTITY_KEY_BYTES_MAX, entityKey } from './entity-key.ts';
export { windowErrors } from './errors.ts';
export {
  type FeatureLeak,
  LEAK_EXAMPLES_MAX,
  type LeakExample,
  type LeakInput,
  type LeakReport,
  leakCheck,
} from './leak-check.ts';
export { type WindowInput, windowFeatures } from './offline.ts';
export { readWindows } from './read-windows.ts';
export { STATE_COLUMNS_MAX, STATE_ROWS_MAX } from './state-codec.ts';
export { type EventBatch, type StateRows, viewRows } from './view-rows.ts';
