import type { KeyValue } from '#ports/key-value';
import { featureErrors } from './errors.ts';
import { floorKey, floorOf, storeKey } from './online-state.ts';
import { type FeaturePlan, longestWindowMs, type PlannedView } from './plan.ts';
import { readWindows, windowErrors } from './window/window.ts';

/** Reads features for scoring. Each value is what {@link buildTrainingSet} computes for the same entity and time. */
export class FeatureReader {
  readonly #store: KeyValue;

  constructor(store: KeyValue) {
    this.#store = store;
  }

  /**
   * The features of all views of the plan, in plan order; NaN where an entity has no rows in the window.
   * `entities` holds one text per key column. Errors: `features/missing-entity`, `features/window-out-of-reach`.
   */
  read(
    plan: FeaturePlan,
    entities: Readonly<Record<string, string>>,
    at: number,
  ): Float32Array | Promise<Float32Array> {
    const keys = plan.views.flatMap((view) => [storeKey(view, partsOf(view, entities)), floorKey(view)]);
    const found = this.#store.getManySync?.(keys);
    return found ? valuesAt(plan, found, at) : this.#store.getMany(keys).then((later) => valuesAt(plan, later, at));
  }
}

/** `found` holds two values a view: the state of the entity, and how far back the states of the view reach. */
function valuesAt(plan: FeaturePlan, found: readonly (Uint8Array | undefined)[], at: number): Float32Array {
  const parts = plan.views.map((view, i) => {
    const floor = floorOf(found[2 * i + 1]);
    const from = at - longestWindowMs(view);
    if (from < floor) {
      const missing = Number.isFinite(floor) ? `rows from ${new Date(floor).toISOString()} on` : 'no row yet';
      throw windowErrors['window-out-of-reach'](
        `the view '${view.name}' holds ${missing}; a window at ${at} reaches back to ${from}`,
      );
    }
    return readWindows(found[2 * i], view, at);
  });
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    values.set(part, offset);
    offset += part.length;
  }
  return values;
}

function partsOf(view: PlannedView, entities: Readonly<Record<string, string>>): string[] {
  return view.keys.map((key) => {
    const value = entities[key];
    if (value === undefined) {
      throw featureErrors['missing-entity'](`entities.${key}: needed by the feature view '${view.name}'`);
    }
    return value;
  });
}
