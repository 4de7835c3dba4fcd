import { digestOfJson } from '#core/hash';
import { BATCH_ENTRIES_MAX, type KeyValue } from '#ports/key-value';
import { type PlannedView, valueColumnsOf } from './plan.ts';
import { entityKey } from './window/window.ts';

/** Where the state of one entity of a view is kept. */
export function storeKey(view: { readonly name: string }, parts: readonly string[]): string {
  return `${prefixOf(view)}${entityKey(parts)}`;
}

export function prefixOf(view: { readonly name: string }): string {
  return `fv/${view.name}/`;
}

/**
 * Where it is kept from when on the states of a view are complete: eight bytes, the floor as float64, and behind them
 * the definition that the states were made for. Without an entry they hold everything that was committed.
 */
export function floorKey(view: { readonly name: string }): string {
  return `fv-floor/${view.name}`;
}

/** The knowledge time, in epoch milliseconds, before which rows were left out. */
export function floorOf(entry: Uint8Array | undefined): number {
  if (!entry) return Number.NEGATIVE_INFINITY;
  return new DataView(entry.buffer, entry.byteOffset, entry.byteLength).getFloat64(0, true);
}

/** What the states of a view depend on: with another definition they have to be made again. */
export function definitionOf(view: PlannedView, dataset: string): string {
  const { keys, horizonMs } = view;
  return digestOfJson({ dataset, keys, horizonMs, columns: valueColumnsOf(view).sort() });
}

export async function readFloor(
  store: KeyValue,
  view: { readonly name: string },
): Promise<{ readonly floor: number; readonly definition: string }> {
  const entry = await store.get(floorKey(view));
  return { floor: floorOf(entry), definition: entry ? Buffer.from(entry.subarray(8)).toString() : '' };
}

export async function writeFloor(
  store: KeyValue,
  view: { readonly name: string },
  { floor, definition }: { readonly floor: number; readonly definition: string },
): Promise<void> {
  const value = Buffer.alloc(8 + Buffer.byteLength(definition));
  value.writeDoubleLE(floor, 0);
  value.write(definition, 8);
  await store.putMany([{ key: floorKey(view), value }]);
}

/** Removes the states of all entities of a view. */
export async function removeStates(store: KeyValue, view: { readonly name: string }): Promise<void> {
  for (;;) {
    const page = await store.range({ prefix: prefixOf(view), limit: PAGE });
    if (page.length > 0) await store.deleteMany(page.map((entry) => entry.key));
    if (page.length < PAGE) return;
  }
}

const PAGE = Math.min(1_000, BATCH_ENTRIES_MAX);
