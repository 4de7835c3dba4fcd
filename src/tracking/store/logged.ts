import { type BulkInsert, insertMany, isAmong } from './bulk.ts';
import { type Db, tables } from './tables.ts';

export type KeyedTable = 'tracking_param' | 'tracking_tag';

const INSERTS = { tracking_param: replacing('tracking_param'), tracking_tag: replacing('tracking_tag') } as const;

function replacing<Table extends KeyedTable>(table: Table): BulkInsert<KeyedTable> {
  return {
    name: table,
    table,
    columns: { run: 'text', key: 'text', value: 'text' },
    conflict: (insert) =>
      insert.onConflict((c) => c.columns(['run', 'key']).doUpdateSet((e) => ({ value: e.ref('excluded.value') }))),
  };
}

/** Params or tags of runs. */
export function keyedRows(db: Db, table: KeyedTable, runs: readonly string[]) {
  return tables(db)
    .selectFrom(table)
    .selectAll()
    .where(isAmong(db, 'run', runs))
    .orderBy('run')
    .orderBy('key');
}

/** The params or tags of a run that have one of the keys. */
export async function keyedOf(
  db: Db,
  table: KeyedTable,
  run: string,
  keys: readonly string[],
): Promise<Map<string, string>> {
  const rows = await keyedRows(db, table, [run])
    .where(isAmong(db, 'key', keys))
    .execute();
  return new Map(rows.map(({ key, value }) => [key, value]));
}

/** What rows say by run and key. */
export function recordsByRun<Row extends { readonly run: string; readonly key: string }, Value>(
  rows: readonly Row[],
  read: (row: Row) => Value,
): Map<string, Record<string, Value>> {
  const byRun = new Map<string, [string, Value][]>();
  for (const row of rows) {
    const entries = byRun.get(row.run);
    if (entries) entries.push([row.key, read(row)]);
    else byRun.set(row.run, [[row.key, read(row)]]);
  }
  // Built from entries, so that a key such as __proto__ is a key like any other.
  return new Map([...byRun].map(([run, entries]) => [run, Object.fromEntries(entries)]));
}

export async function countKeyed(db: Db, table: KeyedTable, run: string): Promise<number> {
  const row = await tables(db)
    .selectFrom(table)
    .select((e) => e.fn.countAll().as('count'))
    .where('run', '=', run)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** Inserts params or tags; a key that exists takes the new value. */
export async function putKeyed(
  db: Db,
  table: KeyedTable,
  run: string,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const rows = Object.entries(values).flatMap(([key, value]) => [run, key, value]);
  await insertMany(db, INSERTS[table], rows);
}

/** Whether there was such a tag. */
export async function dropTag(db: Db, run: string, key: string): Promise<boolean> {
  const { numDeletedRows } = await tables(db)
    .deleteFrom('tracking_tag')
    .where('run', '=', run)
    .where('key', '=', key)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}
