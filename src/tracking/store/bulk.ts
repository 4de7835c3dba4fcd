import { CompiledQuery, type InsertQueryBuilder, type InsertResult } from 'kysely';
import { type Db, type Tables, tables } from './tables.ts';

/**
 * Statements of fixed sizes are compiled once, by Kysely as everywhere, and run again with other values: to build and
 * compile one for each batch takes longer than the database needs to run it.
 */
const SIZES = [250, 50, 10, 1] as const;

export interface BulkInsert<Table extends keyof Tables> {
  /** Names the statement among all bulk inserts. */
  readonly name: string;
  readonly table: Table;
  readonly columns: readonly (keyof Tables[Table] & string)[];
  /** What becomes of a row that is there already. */
  conflict(insert: InsertQueryBuilder<Tables, Table, InsertResult>): InsertQueryBuilder<Tables, Table, InsertResult>;
}

/** By dialect, which the adapter of a connection stands for. */
const compiled = new WeakMap<object, Map<string, string>>();

/** Inserts rows, given as one flat list of their values, column by column. */
export async function insertMany<Table extends keyof Tables>(
  db: Db,
  insert: BulkInsert<Table>,
  values: readonly unknown[],
): Promise<void> {
  const width = insert.columns.length;
  let at = 0;
  for (const size of SIZES) {
    while (values.length - at >= size * width) {
      const sql = sqlOf(db, insert, size);
      await db.executeQuery(CompiledQuery.raw(sql, values.slice(at, at + size * width)));
      at += size * width;
    }
  }
}

function sqlOf<Table extends keyof Tables>(db: Db, insert: BulkInsert<Table>, size: number): string {
  const { adapter } = db.getExecutor();
  const texts = compiled.get(adapter) ?? new Map<string, string>();
  compiled.set(adapter, texts);
  const name = `${insert.name}/${size}`;
  const known = texts.get(name);
  if (known !== undefined) return known;
  const row = Object.fromEntries(insert.columns.map((column) => [column, 0]));
  const rows = Array.from({ length: size }, () => row);
  const query = tables(db).insertInto(insert.table) as InsertQueryBuilder<Tables, Table, InsertResult>;
  const { sql } = insert.conflict(query.values(rows as never)).compile();
  texts.set(name, sql);
  return sql;
}

/** The values with the last one repeated up to one of a few sizes, so that the texts of queries with lists are few. */
export function padded<T>(values: readonly T[]): readonly T[] {
  const last = values.at(-1);
  if (last === undefined) return values;
  let size = 1;
  while (size < values.length) size *= 4;
  return [...values, ...Array.from({ length: size - values.length }, () => last)];
}
