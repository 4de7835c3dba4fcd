import {
  type Compilable,
  CompiledQuery,
  type Expression,
  type InsertQueryBuilder,
  type InsertResult,
  PostgresAdapter,
  type SqlBool,
  sql,
} from 'kysely';
import { type Db, type Tables, tables } from './tables.ts';

/**
 * Statements of fixed sizes are compiled once, by Kysely as everywhere, and run again with other values: to build and
 * compile one for each batch takes longer than the database needs to run it.
 */
const SIZES = [250, 50, 10, 1] as const;

type ColumnType = 'bigint' | 'double precision' | 'text';
type Insert<Table extends keyof Tables> = InsertQueryBuilder<Tables, Table, InsertResult>;

export interface BulkInsert<Table extends keyof Tables> {
  /** Names the statement among all bulk inserts. */
  readonly name: string;
  readonly table: Table;
  /** With the types that they have, in the order of the values. */
  readonly columns: Readonly<Partial<Record<keyof Tables[Table] & string, ColumnType>>>;
  /** What becomes of a row that is there already. */
  conflict(insert: Insert<Table>): Insert<Table>;
}

/** By dialect, which the adapter of a connection stands for. */
const compiled = new WeakMap<object, Map<string, string>>();

/** Inserts rows, given as one flat list of their values, column by column. */
export async function insertMany<Table extends keyof Tables>(
  db: Db,
  insert: BulkInsert<Table>,
  values: readonly unknown[],
): Promise<void> {
  if (values.length === 0) return;
  const statements = db.getExecutor().adapter instanceof PostgresAdapter ? unnested : sized;
  await Promise.all(statements(db, insert, values).map((statement) => db.executeQuery(statement)));
}

/** Statements with a parameter for each value, of which SQLite knows none faster. */
function sized<Table extends keyof Tables>(db: Db, insert: BulkInsert<Table>, values: readonly unknown[]) {
  const columns = Object.keys(insert.columns);
  const statements: CompiledQuery[] = [];
  let at = 0;
  for (const size of SIZES) {
    const text = (): Compilable => {
      const row = Object.fromEntries(columns.map((column) => [column, 0]));
      return insert.conflict(into(db, insert).values(Array.from({ length: size }, () => row) as never));
    };
    for (const width = size * columns.length; values.length - at >= width; at += width) {
      const statement = compiledOnce(db, `${insert.name}/${size}`, text);
      statements.push(CompiledQuery.raw(statement, values.slice(at, at + width)));
    }
  }
  return statements;
}

/**
 * One statement with an array for each column. PostgreSQL reads, analyses and plans a statement anew each time, which
 * for one with a parameter for each value takes longer than the insert itself.
 */
function unnested<Table extends keyof Tables>(db: Db, insert: BulkInsert<Table>, values: readonly unknown[]) {
  const columns = Object.entries(insert.columns) as [keyof Tables[Table] & string, ColumnType][];
  const arrays = columns.map((_, column) => {
    const items: string[] = [];
    for (let at = column; at < values.length; at += columns.length) items.push(arrayItem(values[at]));
    return `{${items.join(',')}}`;
  });
  const text = (): Compilable => {
    const lists = sql.join(columns.map(([, type]) => sql`${''}::${sql.raw(type)}[]`));
    const rows = sql`select * from unnest(${lists})`;
    return insert.conflict(
      into(db, insert)
        .columns(columns.map(([name]) => name))
        .expression(rows as never),
    );
  };
  return [CompiledQuery.raw(compiledOnce(db, insert.name, text), arrays)];
}

/** As PostgreSQL writes an item of an array. */
function arrayItem(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'string') return String(value);
  return /["\\]/.test(value) ? `"${value.replaceAll(/["\\]/g, '\\$&')}"` : `"${value}"`;
}

function into<Table extends keyof Tables>(db: Db, insert: BulkInsert<Table>): Insert<Table> {
  return tables(db).insertInto(insert.table) as Insert<Table>;
}

function compiledOnce(db: Db, name: string, build: () => Compilable): string {
  const { adapter } = db.getExecutor();
  const texts = compiled.get(adapter) ?? new Map<string, string>();
  compiled.set(adapter, texts);
  const known = texts.get(name) ?? build().compile().sql;
  texts.set(name, known);
  return known;
}

/**
 * Whether a column of text has one of the values. PostgreSQL takes them as one array, SQLite as so many parameters that
 * the texts of queries are few.
 */
export function isAmong(db: Db, column: string, values: readonly string[]): Expression<SqlBool> {
  if (db.getExecutor().adapter instanceof PostgresAdapter) {
    return sql<SqlBool>`${sql.ref(column)} = any(${`{${values.map(arrayItem).join(',')}}`}::text[])`;
  }
  return sql<SqlBool>`${sql.ref(column)} in (${sql.join(padded(values))})`;
}

/** The values with the last one repeated up to one of a few sizes, so that the texts of queries with lists are few. */
export function padded<T>(values: readonly T[]): readonly T[] {
  const last = values.at(-1);
  if (last === undefined) return values;
  let size = 1;
  while (size < values.length) size *= 4;
  return [...values, ...Array.from({ length: size - values.length }, () => last)];
}
