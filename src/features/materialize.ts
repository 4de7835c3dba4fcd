import { type Columnar, type ColumnTable, identifier, numbersOf, quoted, textOf } from '#platform/columnar';
import { BATCH_ENTRIES_MAX, type KeyValue } from '#ports/key-value';
import { prefixOf } from './online-state.ts';
import { type PlannedView, valueColumnsOf } from './plan.ts';
import { appendRows, type EventBatch, viewRows } from './window/window.ts';

const PAGE = Math.min(2_000, BATCH_ENTRIES_MAX);

/**
 * Writes the rows of one dataset segment into the online state of a view, but for those whose both times lie before
 * `from`. Doing it again changes nothing.
 */
export async function materialize(
  stores: { readonly columnar: Columnar; readonly keyValue: KeyValue },
  view: PlannedView,
  segment: { readonly path: string; readonly from: number },
): Promise<{ readonly rows: number; readonly entities: number }> {
  const table = await stores.columnar.query(segmentSql(view, segment));
  const grouped = [...viewRows(batchOf(table, view), view)];
  for (let from = 0; from < grouped.length; from += PAGE) {
    const page = grouped.slice(from, from + PAGE);
    const keys = page.map(([entity]) => `${prefixOf(view)}${entity}`);
    const states = await stores.keyValue.getMany(keys);
    await stores.keyValue.putMany(
      page.map(([, rows], i) => ({ key: keys[i] as string, value: appendRows(states[i], rows, view.horizonMs) })),
    );
  }
  return { rows: table.rows, entities: grouped.length };
}

function segmentSql(view: PlannedView, segment: { readonly path: string; readonly from: number }): string {
  const keys = view.keys.map((key) => `${identifier(key)}::varchar as ${identifier(`key ${key}`)}`);
  const values = valueColumnsOf(view).map((name) => `${identifier(name)}::double as ${identifier(`value ${name}`)}`);
  return `select _row::double as _row, _at::double as _at, _known::double as _known, ${[...keys, ...values].join(', ')}
    from read_parquet(${quoted(segment.path)}) where greatest(_known, _at) >= ${segment.from}`;
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
    values: Object.fromEntries(valueColumnsOf(view).map((name) => [name, numbersOf(table, `value ${name}`)])),
  };
}
