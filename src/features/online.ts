import { type Columnar, type ColumnTable, identifier, numbersOf, quoted, textOf } from '#platform/columnar';
import { BATCH_ENTRIES_MAX, type KeyValue } from '#ports/key-value';
import { featureErrors } from './errors.ts';
import { type FeaturePlan, type PlannedView, valueColumnsOf } from './plan.ts';
import { appendRows, type EventBatch, entityKey, readWindows, viewRows } from './window/window.ts';

const PAGE = Math.min(2_000, BATCH_ENTRIES_MAX);

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
    const keys = plan.views.map((view) => storeKey(view, partsOf(view, entities)));
    const states = this.#store.getManySync?.(keys);
    return states ? valuesAt(plan, states, at) : this.#store.getMany(keys).then((found) => valuesAt(plan, found, at));
  }
}

function valuesAt(plan: FeaturePlan, states: readonly (Uint8Array | undefined)[], at: number): Float32Array {
  const parts = plan.views.map((view, i) => readWindows(states[i], view, at));
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

function storeKey(view: PlannedView, parts: readonly string[]): string {
  return `fv/${view.name}/${entityKey(parts)}`;
}

/** Writes the rows of one dataset segment into the online state of a view. Doing it again changes nothing. */
export async function materialize(
  stores: { readonly columnar: Columnar; readonly keyValue: KeyValue },
  view: PlannedView,
  segment: { readonly path: string; readonly knownFrom: number },
): Promise<{ readonly rows: number; readonly entities: number }> {
  const table = await stores.columnar.query(segmentSql(view, segment));
  const grouped = [...viewRows(batchOf(table, view), view)];
  for (let from = 0; from < grouped.length; from += PAGE) {
    const page = grouped.slice(from, from + PAGE);
    const keys = page.map(([entity]) => `fv/${view.name}/${entity}`);
    const states = await stores.keyValue.getMany(keys);
    await stores.keyValue.putMany(
      page.map(([, rows], i) => ({ key: keys[i] as string, value: appendRows(states[i], rows, view.horizonMs) })),
    );
  }
  return { rows: table.rows, entities: grouped.length };
}

function segmentSql(view: PlannedView, segment: { readonly path: string; readonly knownFrom: number }): string {
  const keys = view.keys.map((key) => `${identifier(key)}::varchar as ${identifier(`key ${key}`)}`);
  const values = valueColumnsOf(view).map((name) => `${identifier(name)}::double as ${identifier(name)}`);
  return `select _row::double as _row, _at::double as _at, _known::double as _known, ${[...keys, ...values].join(', ')}
    from read_parquet(${quoted(segment.path)}) where _known >= ${segment.knownFrom}`;
}

function batchOf(table: ColumnTable, view: PlannedView): EventBatch {
  const texts = (name: string): (string | null)[] => {
    const { codes, dictionary } = textOf(table, name);
    return Array.from(codes, (code) => (code < 0 ? null : (dictionary[code] ?? null)));
  };
  return {
    ids: numbersOf(table, '_row'),
    eventMs: numbersOf(table, '_at'),
    knownMs: numbersOf(table, '_known'),
    keys: Object.fromEntries(view.keys.map((key) => [key, texts(`key ${key}`)])),
    values: Object.fromEntries(valueColumnsOf(view).map((name) => [name, numbersOf(table, name)])),
  };
}
